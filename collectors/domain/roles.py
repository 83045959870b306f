"""Roles and what each permits. The one place where a permission's name is written down."""

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a membership makes of a user. SUPER_ADMIN is not a membership but Django's superuser flag."""

    ORG_ADMIN = "ORG_ADMIN"
    TEAM_LEAD = "TEAM_LEAD"
    USER = "USER"

    @property
    def rank(self) -> int:
        """How much it permits, for comparing: each role may all that a lower one may."""
        return len(PERMISSIONS[self])

    @property
    def needs_team(self) -> bool:
        """Whether the role is held in one team rather than in the whole organization."""
        return self is not Role.ORG_ADMIN


class Permission(StrEnum):
    """One act on one kind of row."""

    ORGANIZATION_VIEW = "organization.view"
    ORGANIZATION_CREATE = "organization.create"
    ORGANIZATION_CHANGE = "organization.change"
    ORGANIZATION_DELETE = "organization.delete"
    # What all members are asked for, and how long data is kept.
    ORGANIZATION_POLICY = "organization.policy"
    TEAM_VIEW = "team.view"
    TEAM_MANAGE = "team.manage"
    MEMBERSHIP_VIEW = "membership.view"
    MEMBERSHIP_MANAGE = "membership.manage"
    # Invite, give a role, raise one.
    MEMBERSHIP_GIVE = "membership.give"
    USER_VIEW = "user.view"
    USER_MANAGE = "user.manage"
    DATABASE_VIEW = "database.view"
    DATABASE_MANAGE = "database.manage"
    COLLECTOR_VIEW = "collector.view"
    COLLECTOR_MANAGE = "collector.manage"
    # Make a key that somebody holds, or a token with which hosts make their own.
    COLLECTOR_KEY = "collector.key"
    COLLECTOR_COMMAND = "collector.command"
    QUERY_VIEW = "query.view"
    QUERY_ANNOTATE = "query.annotate"
    AUDIT_VIEW = "audit.view"
    ACCOUNT_OWN = "account.own"


_USER: Final = frozenset(
    {
        Permission.ORGANIZATION_VIEW,
        Permission.TEAM_VIEW,
        Permission.DATABASE_VIEW,
        Permission.QUERY_VIEW,
        Permission.QUERY_ANNOTATE,
    }
)
_TEAM_LEAD: Final = _USER | {
    Permission.MEMBERSHIP_VIEW,
    Permission.USER_VIEW,
    Permission.DATABASE_MANAGE,
    Permission.COLLECTOR_VIEW,
    Permission.COLLECTOR_MANAGE,
    Permission.COLLECTOR_KEY,
    Permission.COLLECTOR_COMMAND,
}
_ORG_ADMIN: Final = _TEAM_LEAD | {
    Permission.ORGANIZATION_CHANGE,
    Permission.ORGANIZATION_POLICY,
    Permission.TEAM_MANAGE,
    Permission.MEMBERSHIP_MANAGE,
    Permission.MEMBERSHIP_GIVE,
    Permission.AUDIT_VIEW,
}

# What everybody may who signed in with own credentials, on rows of their own, whatever their roles are.
OWN: Final = frozenset({Permission.ACCOUNT_OWN})

PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.USER: _USER,
    Role.TEAM_LEAD: _TEAM_LEAD,
    Role.ORG_ADMIN: _ORG_ADMIN,
}
