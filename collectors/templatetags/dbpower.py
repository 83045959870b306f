"""Tags and filters of the console's templates; what they show is made in `collectors.admin`."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils.safestring import SafeString

from collectors.admin import charts, display

register = template.Library()


@register.filter
def ago(at: datetime | None) -> str:
    """Return how long ago something was, with its exact time on hover."""
    return display.ago(at)


@register.filter
def moment(at: datetime | None) -> str:
    """Return a time in the person's zone, with UTC on hover."""
    return display.moment(at)


@register.filter
def number(value: float | None) -> str:
    """Return a number as the person's language writes it."""
    return display.number(value)


@register.filter
def seconds_words(seconds: float) -> str:
    """Return a number of seconds as a length of time in words."""
    return display.duration(timedelta(seconds=seconds))


@register.filter
def statement(text: str | None) -> str:
    """Return a statement as monospaced text."""
    return display.statement_text(text)


@register.filter
def value_in(value: float | None, unit: str) -> str:
    """Return a number in its unit (`display.Unit`)."""
    return display.in_unit(value, display.Unit(unit))


@register.simple_tag
def sparkline(values: Any, label: str) -> SafeString:
    """Draw values as a little line."""
    return charts.sparkline(values, label=label)


@register.inclusion_tag("admin/dbpower/chart.html")
def chart(shown: charts.Chart, height: str = "14rem") -> dict[str, Any]:
    """Draw a chart with the same numbers as a table below it."""
    return {"chart": shown, "height": height}


@register.inclusion_tag("admin/dbpower/time_range.html")
def time_range(control: Any) -> dict[str, Any]:
    """Draw the control that chooses what time a page tells of."""
    return {"control": control}
