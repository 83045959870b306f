"""When a collector was heard and when not, in words, and what it complained of."""

from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from collectors.admin.display import Unit, duration, in_unit, moment, number
from collectors.domain.hearing import Hearing, Sound, heard_share, hearings
from collectors.domain.time_ranges import TimeRange
from collectors.domain.uptime import Stretch
from collectors.models import Collector, ControlPlane
from collectors.services import presence

_SHOWN: Final = 50
# What is told apart by a sign, too.
_SIGNS: Final = {
    Sound.HEARD: "●",
    Sound.ERRORS: "▲",
    Sound.SILENT: "○",
    Sound.AWAITED: "◌",
    Sound.STOPPED: "■",
    Sound.OUTAGE: "✕",
}


def hearing_context(collector: Collector, parts: list[Stretch], shown: TimeRange, now: datetime) -> dict[str, Any]:
    """Return what the template says of the period; `parts` are the statuses in it."""
    late = shown.until >= now and collector.is_late(now=now, accepting_since=ControlPlane.objects.accepting_since())
    found = hearings(
        parts,
        outages=presence.outages(since=shown.since, until=shown.until),
        silent_since=collector.heartbeat.last_heartbeat if late else None,
    )
    return {
        "heard": [_line(one) for one in reversed(found[-_SHOWN:])],
        "heard_left_out": number(len(found) - _SHOWN) if len(found) > _SHOWN else "",
        "heard_summary": _summary(found, shown.since),
    }


def _summary(found: list[Hearing], since: datetime) -> str:
    share = heard_share(found, since=since)
    silences = [one.length for one in found if one.sound is Sound.SILENT]
    if share is None:
        return ""
    heard = _("Heard in %(share)s of the time.") % {"share": in_unit(100 * share, Unit.PERCENT)}
    if not silences:
        return heard
    told = ngettext("%(count)s silence of %(time)s.", "%(count)s silences, the longest of %(time)s.", len(silences))
    return f"{heard} {told % {'count': number(len(silences)), 'time': duration(max(silences))}}"


def _line(one: Hearing) -> dict[str, Any]:
    return {
        "sound": one.sound.value,
        "sign": _SIGNS[one.sound],
        "since": moment(one.since),
        "length": duration(one.length),
        "text": _text(one),
    }


def _text(one: Hearing) -> str:
    if one.sound is Sound.SILENT:
        if one.noticed_at is None:
            return _("silent, and overdue")
        return format_html(_("silent; noticed {moment}"), moment=moment(one.noticed_at))
    if one.sound is Sound.ERRORS:
        return _("heard, with an error: %(error)s") % {"error": one.detail} if one.detail else _("heard, with an error")
    return {
        Sound.HEARD: _("heard, never silent for as long as %(time)s") % {"time": _deadline()},
        Sound.AWAITED: _("registered, and not heard yet"),
        Sound.STOPPED: _("stopped; while it is, silence is not noted"),
        Sound.OUTAGE: _("the control plane itself was away, and heard nobody"),
    }[one.sound]


def _deadline() -> str:
    return duration(timedelta(seconds=settings.DBPOWER_OFFLINE_AFTER_SECONDS))
