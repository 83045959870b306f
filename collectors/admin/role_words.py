"""What each role may do, in plain words, wherever one is chosen or told."""

from typing import Any, Final

from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from collectors.domain.roles import Role

format_html_lazy = lazy(format_html, SafeString)

WORDS: Final[dict[str, Any]] = {
    Role.USER: _("Reads the databases and queries of one team, and writes notes on them. Sees no collectors."),
    Role.TEAM_LEAD: _(
        "Runs one team: registers, starts, stops and removes its collectors and databases, sees its people."
    ),
    Role.ORG_ADMIN: _(
        "Runs the whole organization: all teams, their collectors and databases, people, invitations, policies and the audit."
    ),
}
# The least first: what is chosen without thought should permit little.
IN_ORDER: Final = (Role.USER, Role.TEAM_LEAD, Role.ORG_ADMIN)


def of(role: str) -> str:
    """Return what a role may do."""
    return str(WORDS.get(role, ""))


def titled(role: Role) -> Any:
    """Return a role with what it may do, for choosing."""
    return format_html_lazy("<b>{}</b> <span>{}</span>", role.value, WORDS[role])
