"""How findings are told: in words, with where each leads."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from collectors.admin.display import clock_skew, number
from collectors.models import labels
from collectors.models.completeness import GapKind
from collectors.services.attention import Concern, Example, Finding

_BAD: Final = (Concern.CONTROL_PLANE, Concern.OFFLINE, Concern.ERROR, Concern.DUPLICATE)
_ICONS: Final = {
    Concern.CONTROL_PLANE: "dns",
    Concern.OFFLINE: "cloud_off",
    Concern.ERROR: "error",
    Concern.DUPLICATE: "content_copy",
    Concern.NEVER_HEARD: "hourglass_disabled",
    Concern.LATE: "schedule",
    Concern.GAPS: "rule",
    Concern.COMMANDS: "terminal",
    Concern.KEYS: "key",
    Concern.CLOCKS: "more_time",
}


@dataclass(frozen=True)
class Told:
    """A finding as the page shows it. `examples` are names, addresses of their pages, since when, and what is known."""

    name: str
    icon: str
    tone: str
    title: str
    why: str
    address: str
    examples: list[tuple[str, str, datetime | None, str]]
    more: int


def told(finding: Finding) -> Told:
    """Return a finding in the language of whoever looks."""
    examples = [
        (example.name, _page(example), example.since, _detail(finding.concern, example)) for example in finding.examples
    ]
    return Told(
        name=finding.concern,
        icon=_ICONS[finding.concern],
        tone="bad" if finding.concern in _BAD else "warning",
        title=_title(finding),
        why=_why(finding.concern),
        address=_address(finding.concern),
        examples=examples,
        more=finding.count - len(examples),
    )


def _title(finding: Finding) -> str:
    count = finding.count
    titles = {
        Concern.CONTROL_PLANE: ngettext(
            "%(count)s part of the control plane is missing", "%(count)s parts of the control plane are missing", count
        ),
        Concern.OFFLINE: ngettext("%(count)s collector is OFFLINE", "%(count)s collectors are OFFLINE", count),
        Concern.ERROR: ngettext("%(count)s collector reports an error", "%(count)s collectors report errors", count),
        Concern.DUPLICATE: ngettext(
            "%(count)s collector's key is used by two agents",
            "%(count)s collectors' keys are used by two agents",
            count,
        ),
        Concern.NEVER_HEARD: ngettext(
            "%(count)s collector was never heard", "%(count)s collectors were never heard", count
        ),
        Concern.LATE: ngettext("%(count)s collector is late", "%(count)s collectors are late", count),
        Concern.GAPS: ngettext(
            "%(count)s gap in the numbers of the last day", "%(count)s gaps in the numbers of the last day", count
        ),
        Concern.COMMANDS: ngettext(
            "%(count)s command was not carried out in the last day",
            "%(count)s commands were not carried out in the last day",
            count,
        ),
        Concern.KEYS: ngettext(
            "%(count)s collector has not made its new key", "%(count)s collectors have not made their new keys", count
        ),
        Concern.CLOCKS: ngettext(
            "The clock of %(count)s collector's host is wrong",
            "The clocks of %(count)s collectors' hosts are wrong",
            count,
        ),
    }
    return titles[finding.concern] % {"count": number(count)}


def _why(concern: Concern) -> str:
    return {
        Concern.CONTROL_PLANE: _("Without it, commands, deadlines and roll-ups wait. Look at its process and its log."),
        Concern.OFFLINE: _("No heartbeat came before the deadline. Their databases are not being read by them."),
        Concern.ERROR: _("The agents live, but say that something fails."),
        Concern.DUPLICATE: _(
            "Give each agent a collector of its own; for the same database they stand in for each other."
        ),
        Concern.NEVER_HEARD: _("They are registered, but their agents were not started or cannot reach this address."),
        Concern.LATE: _("More than two heartbeats are missing; at the deadline they become OFFLINE."),
        Concern.GAPS: _("Calls are missing from the totals of these databases."),
        Concern.COMMANDS: _("They failed or expired before the agent fetched them."),
        Concern.CLOCKS: _(
            "Nothing is counted by them, but logs tell wrong times there, and certificates may be refused."
        ),
        Concern.KEYS: _("They were asked for a new key more than a day ago; the old one is still good."),
    }[concern]


def _address(concern: Concern) -> str:
    lists: dict[Concern, tuple[str, dict[str, str]]] = {
        Concern.OFFLINE: ("collector", {"heartbeat__status__exact": "OFFLINE"}),
        Concern.ERROR: ("collector", {"heartbeat__status__exact": "ERROR"}),
        Concern.NEVER_HEARD: ("collector", {"heartbeat__status__exact": "STARTING"}),
        Concern.GAPS: ("gap", {}),
        Concern.COMMANDS: ("command", {}),
        # All of them, not what somebody's list opens with.
        Concern.DUPLICATE: ("collector", {"q": ""}),
        Concern.LATE: ("collector", {"heartbeat__status__exact": "LATE"}),
        Concern.KEYS: ("collector", {"q": ""}),
        Concern.CLOCKS: ("collector", {"clock": "wrong"}),
    }
    if concern not in lists:
        return ""
    table, query = lists[concern]
    return f"{reverse(f'admin:collectors_{table}_changelist')}{'?' + urlencode(query) if query else ''}"


def _page(example: Example) -> str:
    return "" if example.pk is None else reverse("admin:collectors_collector_change", args=(example.pk,))


def _detail(concern: Concern, example: Example) -> str:
    if concern is Concern.GAPS:
        return str(GapKind(example.detail).label)
    if concern is Concern.CLOCKS:
        return clock_skew(float(example.detail))
    if concern is Concern.COMMANDS:
        return labels.label_of(labels.COMMANDS, example.detail)
    if concern in (Concern.OFFLINE, Concern.LATE, Concern.DUPLICATE) and example.detail:
        return _("last heard from %(address)s") % {"address": example.detail}
    return example.detail
