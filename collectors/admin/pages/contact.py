"""Why a collector is not heard: what the control plane knows of its last contact, and what may be wrong."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from collectors.access import Principal, visible_to
from collectors.admin.display import ago, clock_skew, duration
from collectors.domain.liveness import Status
from collectors.models import Collector, Command, ControlPlane, StatusChange
from collectors.services import arrivals


def contact_context(collector: Collector, principal: Principal) -> dict[str, Any]:
    """Return what the template says of one that is OFFLINE or was never heard; nothing of any other."""
    status = Status(collector.heartbeat.status)
    unheard = status is Status.STARTING and collector.heartbeat.last_heartbeat is None
    if status is not Status.OFFLINE and not unheard:
        return {"contact": [], "contact_hints": []}
    now = timezone.now()
    return {"contact": _known(collector, principal, now), "contact_hints": _hints(collector)}


def _known(collector: Collector, principal: Principal, now: datetime) -> list[tuple[str, Any]]:
    heartbeat = collector.heartbeat
    flip = visible_to(StatusChange.objects.filter(collector_id=collector.pk), principal).first()
    waiting = visible_to(Command.objects.filter(collector_id=collector.pk), principal).open().count()  # type: ignore[attr-defined]
    accepting_since = ControlPlane.objects.accepting_since()
    facts: list[tuple[str, Any]] = [
        (_("Last contact"), ago(heartbeat.last_heartbeat, now=now, never=_("never"))),
        (_("From"), heartbeat.address or "-"),
        (_("Deadline"), _("%(time)s after the last heartbeat") % {"time": duration(_deadline())}),
    ]
    if heartbeat.last_heartbeat is not None:
        facts.append((_("Clock of its host then"), clock_skew(heartbeat.clock_skew_seconds)))
    if flip is not None:
        facts.append((_("Noticed"), format_html("{}: {}", ago(flip.changed_at, now=now), flip.get_cause_display())))
    if heartbeat.last_error:
        said = format_html("{} ({})", heartbeat.last_error, ago(heartbeat.last_error_at, now=now))
        facts.append((_("Last error that it told"), said))
    facts.append((_("The control plane accepts heartbeats since"), ago(accepting_since, now=now, never=_("not now"))))
    facts.append((_("Commands that wait for it"), str(waiting)))
    return facts


def _deadline() -> timedelta:
    return timedelta(seconds=settings.DBPOWER_OFFLINE_AFTER_SECONDS)


def _hints(collector: Collector) -> list[str]:
    found = []
    if not collector.api_key_hash:
        found.append(_("Its keys were revoked: whatever it sends is refused. Make a new key by hand."))
    refused_from = arrivals.refused_from(collector)
    if refused_from:
        wrong = _("A wrong key was sent to this collector from %(address)s.")
        found.append(wrong % {"address": refused_from})
    if collector.heartbeat.stopping:
        found.append(_("The agent said that it was ending: it was stopped or its host shut down."))
    found.append(_("On its host: systemctl status dbpower-collector, journalctl -u dbpower-collector -n 50."))
    found.append(_("dbpower-agent doctor says whether it reaches this address, and whether its clock is right."))
    return found
