"""Who may do what, to which rows. The only place that scopes: API and admin both ask here, and what it does not know is refused."""

from collectors.access.acts import own_acts, seen_objects
from collectors.access.notes import with_removable
from collectors.access.principals import Grant, Principal, principal_of
from collectors.access.scopes import may, permitted, visible_to, with_requesters

__all__ = [
    "Grant",
    "Principal",
    "may",
    "own_acts",
    "permitted",
    "principal_of",
    "seen_objects",
    "visible_to",
    "with_removable",
    "with_requesters",
]
