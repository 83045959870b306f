"""What one collector's page shows beside its form: what the agent last said, and what happened."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from collectors.access import Principal, visible_to
from collectors.admin.display import NOTHING, STATE_COLOURS, STATUS_COLOURS, ago, duration, freshness
from collectors.domain import limits
from collectors.domain.leases import HaRole
from collectors.models import Collector, Command, ControlPlane, StatusChange
from collectors.services import configs
from collectors.services.errors import Refused

_SHOWN: Final = 50


def page_of(collector: Collector, principal: Principal) -> dict[str, Any]:
    """Return what the page's template needs."""
    changes = StatusChange.objects.filter(collector_id=collector.pk)
    asked = Command.objects.filter(collector_id=collector.pk).select_related("requested_by")
    now = timezone.now()
    return {
        "collector": collector,
        "status": collector.heartbeat.status,
        "status_colour": STATUS_COLOURS.get(collector.heartbeat.status, "default"),
        "is_online": collector.is_online(now=now, accepting_since=ControlPlane.objects.accepting_since()),
        "facts": _facts(collector, now),
        "trouble": _trouble(collector),
        "status_changes": [
            {"row": change, "colour": STATUS_COLOURS.get(change.new_status, "default"), "when": ago(change.changed_at)}
            for change in visible_to(changes, principal)[:_SHOWN]
        ],
        "commands": [
            {"row": command, "colour": STATE_COLOURS.get(command.state, "default"), "when": ago(command.created_at)}
            for command in visible_to(asked, principal)[:_SHOWN]
        ],
    }


def _facts(collector: Collector, now: datetime) -> list[tuple[str, Any]]:
    heartbeat = collector.heartbeat
    wanted = f"version {collector.config_version}"
    if heartbeat.config_version is not None and heartbeat.config_version != collector.config_version:
        wanted += f", the agent has version {heartbeat.config_version}"
    return [
        ("Agent alive", _alive(collector, now)),
        ("Source readable", _readable(collector)),
        ("Data", freshness(collector.data_until, fresh=collector.is_data_fresh(now))),
        ("Last heartbeat", ago(heartbeat.last_heartbeat, now=now, never="never")),
        ("Last collection", ago(heartbeat.last_collection, now=now, never="never")),
        ("Automatic collection", "on" if collector.auto_collect else "off"),
        ("Role", _ha_role(collector)),
        ("Queries collected", f"{heartbeat.queries_collected:,}"),
        ("Errors", f"{heartbeat.errors_count:,}"),
        ("Agent", f"{heartbeat.version or NOTHING}, up {duration(timedelta(seconds=heartbeat.uptime_seconds))}"),
        ("Key", _key(collector, now)),
        ("Key last used", _used(collector, collector.api_key_hash, now)),
        ("Previous key", _previous_key(collector, now)),
        ("Configuration", wanted),
        ("Database", f"{collector.database} ({collector.type})"),
        ("Team", str(collector.team)),
        ("Id", str(collector.pk)),
    ]


def _alive(collector: Collector, now: datetime) -> str:
    return "yes" if collector.is_online(now=now, accepting_since=ControlPlane.objects.accepting_since()) else "no"


def _readable(collector: Collector) -> str:
    if collector.source_readable is None:
        return "not known yet"
    return "yes" if collector.source_readable else "no; see below what mends it"


def _ha_role(collector: Collector) -> str:
    if collector.ha_role is HaRole.STANDBY:
        return f"standby: {collector.database.lease.holder} collects"
    return collector.ha_role or NOTHING


def _previous_key(collector: Collector, now: datetime) -> str:
    if not collector.previous_key_is_good():
        return "none"
    expires_at = collector.previous_key_expires_at
    end = "good until the new one is used" if expires_at is None else f"still good for {duration(expires_at - now)}"
    return f"{end}; last used {_used(collector, collector.previous_key_hash, now)}"


def _key(collector: Collector, now: datetime) -> str:
    if not collector.api_key_hash:
        return "revoked"
    made = f"made {ago(collector.api_key_created_at, now=now)}"
    if collector.key_rotation_requested_at is not None:
        return f"{made}; a new one was asked for {ago(collector.key_rotation_requested_at, now=now)}"
    return made if collector.api_key_proven_at else f"{made}, not used yet"


def _used(collector: Collector, key_hash: str, now: datetime) -> str:
    at, address = collector.heartbeat.use_of(key_hash)
    used = ago(at, now=now, never="never")
    return f"{used}, from {address}" if address else used


def _trouble(collector: Collector) -> list[dict[str, Any]]:
    """Return what is wrong, as far as agent and control plane can tell, with what mends it."""
    found: list[dict[str, Any]] = [
        {
            "title": f"The source {source.get('name') or ''} cannot be read",
            "text": str(source.get("detail") or source.get("code") or ""),
            "remedy": str(source.get("remedy") or ""),
        }
        for source in _unreadable(collector.heartbeat.source)
    ]
    noticed = collector.heartbeat.duplicate_seen_at
    if noticed is not None and timezone.now() - noticed < timedelta(seconds=limits.DUPLICATE_SHOWN_SECONDS):
        found.append(
            {
                "title": "Two agents use this collector's key",
                "text": f"The one that started last collects{_from(collector.heartbeat.address)}, the other one"
                f"{_from(collector.heartbeat.duplicate_address)} is told to wait. Give each agent a collector of its own: "
                "registered for the same database, they stand in for each other.",
                "when": ago(noticed),
            }
        )
    if collector.heartbeat.last_error:
        when = ago(collector.heartbeat.last_error_at)
        found.append({"title": "Last error", "text": collector.heartbeat.last_error, "when": when})
    try:
        configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)
    except Refused as refusal:
        found.append({"title": "The stored connection cannot be read", "text": f"{refusal} Enter it anew below."})
    return found


def _from(address: str) -> str:
    return f" (from {address})" if address else ""


def _unreadable(told: Any) -> list[dict[str, Any]]:
    """Return those of an agent's sources that it cannot read; one that reads several tells of each."""
    if not isinstance(told, dict):
        return []
    sources = told.get("sources") or [told]
    return [source for source in sources if isinstance(source, dict) and source.get("readable") is False]
