"""Waiting for a new collector: its first heartbeat, that its source can be read, its first numbers, and what is missing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from collectors.access import Principal, may, visible_to
from collectors.admin import signed_in
from collectors.admin.display import ago, duration
from collectors.admin.pages.wizard import AGENT_STEP, wizard
from collectors.domain.commands import CommandType
from collectors.domain.roles import Permission
from collectors.models import Collector, Command
from collectors.services import arrivals
from collectors.services.arrivals import Arrival

# From here on it is said what may be wrong.
_PATIENCE: Final = timedelta(seconds=45)


@dataclass(frozen=True)
class Step:
    """One thing that is waited for: `state` is waiting, done or failed."""

    state: str
    title: str
    text: str
    remedy: str = ""
    hints: tuple[str, ...] = ()


def arrival_page(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Answer the part of a page that waits; it asks again by itself until everything is there."""
    principal = signed_in.principal(request)
    if not principal.holds(Permission.COLLECTOR_VIEW):
        raise PermissionDenied
    collector = model_admin.get_object(request, object_id)
    if collector is None:
        raise Http404
    allowed = may(principal, Permission.COLLECTOR_COMMAND, collector)
    context = {**context_of(collector, principal), "may_command": allowed, "is_part": True}
    return render(request, "admin/dbpower/arrival.html", context)


def context_of(collector: Collector, principal: Principal) -> dict[str, Any]:
    """Return what the template needs to show how far a collector is."""
    now = timezone.now()
    arrival = arrivals.arrival(collector)
    asked = Command.objects.open().filter(collector_id=collector.pk, command=CommandType.COLLECT)
    waits = arrival.heard_at is not None and not arrival.has_numbers
    return {
        "arriving": collector,
        "steps": [_heard(arrival, now), _readable(arrival), _collected(arrival), _numbers(arrival, collector)],
        "is_complete": arrival.is_complete,
        "wizard": wizard(_step_of(arrival)),
        "waits_for_collection": waits,
        "is_asked": waits and visible_to(asked, principal).exists(),
        "queries_address": f"{reverse('admin:queries')}?period=hour&database={collector.database_id}",
    }


def _step_of(arrival: Arrival) -> int:
    """Return the number of the wizard's step that a new collector has come to; one more than there are once all is done."""
    if arrival.is_complete:
        return AGENT_STEP + 2
    return AGENT_STEP if arrival.heard_at is None else AGENT_STEP + 1


def _heard(arrival: Arrival, now: datetime) -> Step:
    title = _("First heartbeat")
    if arrival.heard_at is not None:
        return Step(
            "done",
            title,
            format_html(
                _("The agent was heard {ago}, from {address}."),
                ago=ago(arrival.heard_at, now=now),
                address=arrival.address or _("an unknown address"),
            ),
        )
    waited = now - arrival.registered_at
    text = _("Waiting for %(time)s. Start the agent with one of the commands above.") % {"time": duration(waited)}
    return Step("waiting", title, text, hints=_hints(arrival) if waited > _PATIENCE else ())


def _hints(arrival: Arrival) -> tuple[str, ...]:
    found = [
        _("Does the agent run? With systemd: systemctl status dbpower-collector, journalctl -u dbpower-collector."),
        _(
            "Does its host reach the address that stands in backend_url? A name such as localhost means the host itself."
        ),
        _("dbpower-agent doctor --config config.json says what is missing, and the statement that mends it."),
    ]
    if arrival.refused_from:
        wrong = _("A wrong key was sent to this collector from %(address)s: copy the key anew, or make a new one.")
        found.insert(0, wrong % {"address": arrival.refused_from})
    return tuple(found)


def _readable(arrival: Arrival) -> Step:
    title = _("Source can be read")
    if arrival.readable is False or (arrival.readable is None and arrival.heard_at is not None and arrival.trouble):
        return Step("failed", title, arrival.trouble or _("The agent cannot read its source."), arrival.remedy)
    if arrival.readable:
        return Step("done", title, _("The agent reads its source."))
    return Step("waiting", title, _("The agent looks as soon as it runs."))


def _collected(arrival: Arrival) -> Step:
    title = _("First collection")
    if arrival.collected_at is not None:
        return Step("done", title, format_html(_("The agent collected {ago}."), ago=ago(arrival.collected_at)))
    text = _("The agent collects when it starts, and then every %(time)s.") % {"time": duration(arrival.interval)}
    return Step("waiting", title, text)


def _numbers(arrival: Arrival, collector: Collector) -> Step:
    title = _("First numbers")
    if arrival.has_numbers:
        return Step("done", title, _("Numbers of %(database)s are here.") % {"database": collector.database})
    if arrival.collected_at is None:
        return Step("waiting", title, _("They come with the first collections."))
    return Step(
        "waiting",
        title,
        _(
            "Counters count from the first collection on, so numbers come with the next one, as soon as statements have run; "
            "slow logs as soon as a slow statement was written."
        ),
    )
