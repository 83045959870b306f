"""The steps of registering a collector, as they stand above each page of it."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext as _

# The step in which the key is shown and the agent is waited for.
AGENT_STEP: Final = 3


@dataclass(frozen=True)
class WizardStep:
    """One step: whether it is done, and whether it is the one that is shown."""

    title: str
    done: bool
    current: bool


def wizard(current: int) -> list[WizardStep]:
    """Return the steps, of which the one of that number is shown."""
    titles = [_("Team"), _("Database"), _("Grants"), _("Key and agent"), _("First data")]
    return [WizardStep(title, number < current, number == current) for number, title in enumerate(titles)]
