"""Who asks: a signed-in person and what memberships grant."""

from dataclasses import dataclass
from typing import Any

from collectors.domain.roles import OWN, PERMISSIONS, Permission, Role
from collectors.models import Membership, User


@dataclass(frozen=True)
class Grant:
    """A role in an organization, or in one team of it."""

    role: Role
    organization_id: int
    team_id: int | None


@dataclass(frozen=True)
class Principal:
    """A person with all grants, as they stand now. Made anew for each request, so a changed role counts from the next one.

    `limited_to` holds what a personal token permits of them; None when the person signed in.
    """

    user_id: int | None
    is_superuser: bool = False
    grants: tuple[Grant, ...] = ()
    limited_to: frozenset[Permission] | None = None

    def allows(self, permission: Permission) -> bool:
        """Tell whether what the person signed in with permits it at all."""
        return self.limited_to is None or permission in self.limited_to

    def organizations(self, permission: Permission) -> set[int]:
        """Return the organizations in all of which the permission holds."""
        return {grant.organization_id for grant in self._with(permission) if grant.team_id is None}

    def teams(self, permission: Permission) -> set[int]:
        """Return the teams in which the permission holds by a role in that team."""
        return {grant.team_id for grant in self._with(permission) if grant.team_id is not None}

    def member_organizations(self) -> set[int]:
        """Return the organizations the person belongs to in any way."""
        return {grant.organization_id for grant in self.grants}

    def holds(self, permission: Permission) -> bool:
        """Tell whether the permission holds anywhere."""
        if permission in OWN:
            return self.user_id is not None and self.allows(permission)
        return self.allows(permission) and (self.is_superuser or any(True for _ in self._with(permission)))

    def holds_in(self, permission: Permission, *, organization_id: int, team_id: int) -> bool:
        """Tell whether the permission holds on what belongs to that team, for rows at hand that are known to be visible."""
        if not self.allows(permission):
            return False
        if self.is_superuser or organization_id in self.organizations(permission):
            return True
        return team_id in self.teams(permission)

    def holds_within(self, permission: Permission, *, organization_id: int) -> bool:
        """Tell whether the permission holds on anything in that organization: in all of it, or in a team of it."""
        if not self.allows(permission):
            return False
        return self.is_superuser or any(g.organization_id == organization_id for g in self._with(permission))

    def _with(self, permission: Permission) -> list[Grant]:
        if not self.allows(permission):
            return []
        return [grant for grant in self.grants if permission in PERMISSIONS[grant.role]]


NOBODY = Principal(user_id=None)


def principal_of(user: Any) -> Principal:
    """Return the principal of a signed-in user; anyone else, and whoever is not active, is nobody."""
    if not isinstance(user, User) or not user.is_active:
        return NOBODY
    rows = Membership.objects.filter(user=user).values_list("role", "organization_id", "team_id")
    grants = tuple(Grant(Role(role), organization_id, team_id) for role, organization_id, team_id in rows)
    return Principal(user_id=user.pk, is_superuser=user.is_superuser, grants=grants, limited_to=user.limited_to)
