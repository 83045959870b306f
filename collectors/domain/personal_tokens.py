"""Personal API tokens: `dbp_{token}`, made once, shown once, stored as SHA-256; and what each scope of theirs permits."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from collectors.domain.roles import Permission

PREFIX: Final = "dbp_"
_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


class TokenScope(StrEnum):
    """What somebody lets a token do. Never more than the person's own roles permit at that moment."""

    READ = "read"
    COMMAND = "command"
    COLLECTORS = "collectors"
    PEOPLE = "people"
    ANNOTATE = "annotate"


_READ: Final = frozenset(permission for permission in Permission if permission.value.endswith(".view"))
_FLEET: Final = frozenset({Permission.TEAM_VIEW, Permission.DATABASE_VIEW, Permission.COLLECTOR_VIEW})
# In no scope: accounts, passwords, tokens and keys, invitations and roles, and what an organization asks of its members or
# keeps. A token that was stolen makes no second credential, lets nobody in, and loosens nothing.
SCOPES: Final[dict[str, frozenset[Permission]]] = {
    TokenScope.READ: _READ,
    TokenScope.COMMAND: _FLEET | {Permission.COLLECTOR_COMMAND},
    TokenScope.COLLECTORS: _FLEET
    | {Permission.COLLECTOR_COMMAND, Permission.COLLECTOR_MANAGE, Permission.DATABASE_MANAGE},
    TokenScope.PEOPLE: frozenset(
        {
            Permission.ORGANIZATION_VIEW,
            Permission.ORGANIZATION_CREATE,
            Permission.ORGANIZATION_CHANGE,
            Permission.ORGANIZATION_DELETE,
            Permission.TEAM_VIEW,
            Permission.TEAM_MANAGE,
            Permission.USER_VIEW,
            Permission.MEMBERSHIP_VIEW,
            Permission.MEMBERSHIP_MANAGE,
        }
    ),
    TokenScope.ANNOTATE: frozenset({Permission.DATABASE_VIEW, Permission.QUERY_VIEW, Permission.QUERY_ANNOTATE}),
}


def generate_token() -> str:
    """Return a new token with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def digest_of(token: str) -> str | None:
    """Return the SHA-256 of a token as 64 hex digits, or None when the text is not a token."""
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN.fullmatch(token) else None


def permitted_by(scopes: Iterable[str]) -> frozenset[Permission]:
    """Return what the scopes permit together; one that is not known permits nothing."""
    return frozenset().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
