"""How templates show values: as `collectors.admin.display` does everywhere else.

It is imported when it is needed: Django reads this file while the admin that it belongs to is still being imported.
"""

from datetime import datetime

from django import template

register = template.Library()


@register.filter
def ago(at: datetime | None) -> str:
    """Return how long ago something was, with its exact time on hover."""
    from collectors.admin import display

    return display.ago(at)


@register.filter
def moment(at: datetime | None) -> str:
    """Return a time in the person's zone, with UTC on hover."""
    from collectors.admin import display

    return display.moment(at)


@register.filter
def number(value: float | None) -> str:
    """Return a number as the person's language writes it."""
    from collectors.admin import display

    return display.number(value)
