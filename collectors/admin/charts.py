"""Charts: what `charts.js` draws with Chart.js, the same numbers as a table beside it, and the little lines in tables."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from collectors.admin.display import Unit, number
from collectors.services.queries import GapLine

_SPARK_WIDTH: Final = 96
_SPARK_HEIGHT: Final = 20


@dataclass(frozen=True)
class Series:
    """One line or row of bars: a value for each slot, None where it is not known."""

    title: str
    values: Sequence[float | None]
    unit: Unit
    kind: str = "bar"


@dataclass(frozen=True)
class Stretch:
    """A stretch of time that is marked in the chart, with what is said of it: a known gap."""

    since: datetime
    until: datetime
    text: str


@dataclass(frozen=True)
class Mark:
    """A moment that is marked in the chart by a line, with what happened then. `tone` is good, bad or plain."""

    at: datetime
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Chart:
    """Numbers over time, in equal slots. Dragging over it leads to the chosen part of time."""

    name: str
    title: str
    starts: Sequence[datetime]
    width: timedelta
    series: Sequence[Series]
    gaps: Sequence[Stretch] = ()
    marks: Sequence[Mark] = ()
    stacked: bool = True
    # The page that dragging leads to; the same one when empty.
    zoom: str = ""
    rows: list[tuple[datetime, list[tuple[float | None, str]]]] = field(init=False)

    def __post_init__(self) -> None:
        columns = [[(value, one.unit.value) for value in one.values] for one in self.series]
        rows = [(start, list(cells)) for start, *cells in zip(self.starts, *columns, strict=True)]
        object.__setattr__(self, "rows", rows)

    @property
    def data_id(self) -> str:
        """Return the id of the element that holds the data."""
        return f"{self.name}-data"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(value for one in self.series for value in one.values)

    @property
    def data(self) -> dict[str, Any]:
        """Return what the script reads: times in seconds since 1970."""
        return {
            "starts": [int(start.timestamp()) for start in self.starts],
            "width": int(self.width.total_seconds()),
            "series": [asdict(one) for one in self.series],
            "gaps": [
                {"since": one.since.timestamp(), "until": one.until.timestamp(), "text": one.text} for one in self.gaps
            ],
            "marks": [{"at": mark.at.timestamp(), "text": mark.text, "tone": mark.tone} for mark in self.marks],
            "stacked": self.stacked,
            "zoom": self.zoom,
            "language": translation.get_language() or "en",
            "zone": timezone.get_current_timezone_name(),
            "words": {"missing": _("Not whole:"), "total": _("Total")},
        }


def stretches(gaps: Iterable[GapLine]) -> list[Stretch]:
    """Return known gaps as stretches of a chart."""
    return [
        Stretch(
            gap.covered_from,
            gap.covered_to,
            ": ".join(filter(None, (gap.database_name, str(gap.description))))
            + (f" ({number(gap.amount)})" if gap.amount is not None else ""),
        )
        for gap in gaps
    ]


def sparkline(values: Sequence[float | None], *, label: str) -> SafeString:
    """Return a little line of the values as a picture, which `label` tells of in words."""
    numbers = [value or 0 for value in values]
    highest = max(numbers, default=0)
    if not highest:
        return format_html('<span class="dbpower-spark" role="img" aria-label="{}"></span>', label)
    step = _SPARK_WIDTH / max(1, len(numbers) - 1)
    points = [
        (round(number * step, 1), round(_SPARK_HEIGHT * (1 - value / highest), 1))
        for number, value in enumerate(numbers)
    ]
    line = " ".join(f"{x},{y}" for x, y in points)
    return format_html(
        '<svg class="dbpower-spark" viewBox="-1 -1 {w} {h}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        '<polygon points="0,{floor} {line} {last},{floor}"/><polyline points="{line}"/></svg>',
        w=_SPARK_WIDTH + 2,
        h=_SPARK_HEIGHT + 2,
        floor=_SPARK_HEIGHT,
        last=points[-1][0],
        line=line,
        label=label,
    )
