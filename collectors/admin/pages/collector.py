"""What one collector's page shows beside its form: what the agent last said, and what happened."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from collectors.access import Principal, visible_to, with_requesters
from collectors.admin import signed_in
from collectors.admin.display import (
    NOTHING,
    STATE_COLOURS,
    STATUS_COLOURS,
    ago,
    clock_skew,
    duration,
    freshness,
    number,
    requester_of,
)
from collectors.admin.pages.contact import contact_context
from collectors.admin.pages.uptime import uptime_context
from collectors.domain import commands, limits
from collectors.domain.leases import HaRole
from collectors.domain.roles import Permission
from collectors.models import Collector, Command, ControlPlane, labels
from collectors.services import configs
from collectors.services.errors import Refused

_SHOWN: Final = 50


def page_of(request: HttpRequest, collector: Collector) -> dict[str, Any]:
    """Return what the page's template needs."""
    principal = signed_in.principal(request)
    return {
        **live_context(collector, principal),
        **uptime_context(request, collector, principal),
        "connection": _connection(collector),
    }


def live_page(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Answer the parts of the page that change by themselves: a browser asks for them every few seconds."""
    principal = signed_in.principal(request)
    if not principal.holds(Permission.COLLECTOR_VIEW):
        raise PermissionDenied
    collector = model_admin.get_object(request, object_id)
    if collector is None:
        raise Http404
    return render(request, "admin/dbpower/collector_live.html", {**live_context(collector, principal), "is_part": True})


def live_context(collector: Collector, principal: Principal) -> dict[str, Any]:
    """Return what is said of the collector as it is now, and of what was asked of it."""
    asked = Command.objects.filter(collector_id=collector.pk).select_related("requested_by")
    now = timezone.now()
    return {
        "collector": collector,
        "status": collector.heartbeat.status,
        "status_colour": STATUS_COLOURS.get(collector.heartbeat.status, "default"),
        "is_online": collector.is_online(now=now, accepting_since=ControlPlane.objects.accepting_since()),
        "facts": _facts(collector, now),
        "trouble": _trouble(collector),
        "commands": [_command(row) for row in with_requesters(visible_to(asked, principal), principal)[:_SHOWN]],
        **contact_context(collector, principal),
    }


def _command(command: Command) -> dict[str, Any]:
    return {
        "row": command,
        "colour": STATE_COLOURS.get(command.state, "default"),
        "result": _told(command.result),
        "when": ago(command.created_at),
        "requester": requester_of(command),
        "is_open": command.state in commands.OPEN,
        "delivered": ago(command.delivered_at),
        "ended": ago(command.ended_at),
    }


def _connection(collector: Collector) -> list[tuple[str, str]]:
    """Return the members of the stored connection, without the password: only whether there is one."""
    try:
        stored = configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)
    except Refused:
        return []
    shown = [(name, str(value)) for name, value in configs.without_secrets(stored).items() if name != "tls"]
    shown += [(f"tls.{name}", str(value)) for name, value in (stored.get("tls") or {}).items()]
    return [*shown, ("password", _("stored, not shown"))] if stored.get("password") else shown


def _facts(collector: Collector, now: datetime) -> list[tuple[str, Any]]:
    heartbeat = collector.heartbeat
    wanted = _("version %(number)d") % {"number": collector.config_version}
    if heartbeat.config_version is not None and heartbeat.config_version != collector.config_version:
        versions = {"number": collector.config_version, "agents": heartbeat.config_version}
        wanted = _("version %(number)d, the agent has version %(agents)d") % versions
    return [
        (_("Agent alive"), _alive(collector, now)),
        (_("Source readable"), _readable(collector)),
        (_("Data"), freshness(collector.data_until, fresh=collector.is_data_fresh(now))),
        (_("Last heartbeat"), ago(heartbeat.last_heartbeat, now=now, never=_("never"))),
        (_("Last collection"), ago(heartbeat.last_collection, now=now, never=_("never"))),
        (_("Automatic collection"), _switch(collector.auto_collect)),
        (_("Role"), _ha_role(collector)),
        (_("Queries collected"), number(heartbeat.queries_collected)),
        (_("Errors"), number(heartbeat.errors_count)),
        (_("Agent"), _agent(collector)),
        (_("Clock of its host"), clock_skew(heartbeat.clock_skew_seconds)),
        (_("Key"), _key(collector, now)),
        (_("Key last used"), _used(collector, collector.api_key_hash, now)),
        (_("Previous key"), _previous_key(collector, now)),
        (_("Configuration"), wanted),
        (_("Database"), f"{collector.database} ({collector.type})"),
        (_("Team"), str(collector.team)),
        (_("Id"), str(collector.pk)),
    ]


def _alive(collector: Collector, now: datetime) -> str:
    online = collector.is_online(now=now, accepting_since=ControlPlane.objects.accepting_since())
    return _("yes") if online else _("no")


def _agent(collector: Collector) -> str:
    heartbeat = collector.heartbeat
    up = duration(timedelta(seconds=heartbeat.uptime_seconds))
    return _("%(version)s, up %(time)s") % {"version": heartbeat.version or NOTHING, "time": up}


def _switch(on: bool) -> str:  # noqa: FBT001
    return pgettext("automatic collection", "on") if on else pgettext("automatic collection", "off")


def _readable(collector: Collector) -> str:
    if collector.source_readable is None:
        return _("not known yet")
    return _("yes") if collector.source_readable else _("no; see below what mends it")


def _ha_role(collector: Collector) -> str:
    if collector.ha_role is HaRole.STANDBY:
        return _("standby: %(collector)s collects") % {"collector": collector.database.lease.holder}
    return labels.label_of(labels.HA_ROLES, collector.ha_role) if collector.ha_role else NOTHING


def _previous_key(collector: Collector, now: datetime) -> str:
    if not collector.previous_key_is_good():
        return pgettext("previous key", "none")
    expires_at = collector.previous_key_expires_at
    used = _used(collector, collector.previous_key_hash, now)
    if expires_at is None:
        return format_html(_("good until the new one is used; last used {used}"), used=used)
    left = duration(expires_at - now)
    return format_html(_("still good for {time}; last used {used}"), time=left, used=used)


def _key(collector: Collector, now: datetime) -> str:
    if not collector.api_key_hash:
        return pgettext("key", "revoked")
    made = ago(collector.api_key_created_at, now=now)
    if collector.key_rotation_requested_at is not None:
        asked = ago(collector.key_rotation_requested_at, now=now)
        return format_html(_("made {made}; a new one was asked for {asked}"), made=made, asked=asked)
    if collector.api_key_proven_at is None:
        return format_html(_("made {made}, not used yet"), made=made)
    return format_html(_("made {made}"), made=made)


def _used(collector: Collector, key_hash: str, now: datetime) -> str:
    at, address = collector.heartbeat.use_of(key_hash)
    used = ago(at, now=now, never=_("never"))
    return format_html(_("{used}, from {address}"), used=used, address=address) if address else used


def _trouble(collector: Collector) -> list[dict[str, Any]]:
    """Return what is wrong, as far as agent and control plane can tell, with what mends it."""
    found: list[dict[str, Any]] = [
        {
            "title": _("The source %(name)s cannot be read") % {"name": source.get("name") or ""},
            "text": str(source.get("detail") or source.get("code") or ""),
            "remedy": str(source.get("remedy") or ""),
        }
        for source in _unreadable(collector.heartbeat.source)
    ]
    noticed = collector.heartbeat.duplicate_seen_at
    if noticed is not None and timezone.now() - noticed < timedelta(seconds=limits.DUPLICATE_SHOWN_SECONDS):
        found.append(
            {
                "title": _("Two agents use this collector's key"),
                "text": _(
                    "The one that started last%(newer)s collects, the other one%(older)s is told to wait. "
                    "Give each agent a collector of its own: registered for the same database, they stand in for each other."
                )
                % {"newer": _from(collector.heartbeat.address), "older": _from(collector.heartbeat.duplicate_address)},
                "when": ago(noticed),
            }
        )
    skew = collector.heartbeat.clock_skew_seconds
    if skew is not None and abs(skew) > limits.CLOCK_SKEW_SECONDS:
        found.append(
            {
                "title": _("The clock of its host is %(skew)s") % {"skew": clock_skew(skew)},
                "text": _(
                    "Nothing is counted or decided by it, but its own log tells other times than this page, and certificates and "
                    "codes may be refused there. It was compared when the last heartbeat came, so the way of that request is in it."
                ),
                "remedy": "timedatectl set-ntp true",
                "when": ago(collector.heartbeat.last_heartbeat),
            }
        )
    if collector.heartbeat.last_error:
        when = ago(collector.heartbeat.last_error_at)
        found.append({"title": _("Last error"), "text": collector.heartbeat.last_error, "when": when})
    try:
        configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)
    except Refused as refusal:
        text = _("%(reason)s Enter it anew below.") % {"reason": refusal}
        found.append({"title": _("The stored connection cannot be read"), "text": text})
    return found


def _from(address: str) -> str:
    return _(" (from %(address)s)") % {"address": address} if address else ""


def _unreadable(told: Any) -> list[dict[str, Any]]:
    """Return those of an agent's sources that it cannot read; one that reads several tells of each."""
    if not isinstance(told, dict):
        return []
    sources = told.get("sources") or [told]
    return [source for source in sources if isinstance(source, dict) and source.get("readable") is False]


def _told(result: Any) -> str:
    """Return a command's result in a line: its members with their values where it has some, as agents send it."""
    if not isinstance(result, dict):
        return NOTHING if result is None else str(result)
    return " · ".join(f"{name}: {value}" for name, value in result.items()) or NOTHING
