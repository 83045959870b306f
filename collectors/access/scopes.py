"""Which rows a principal sees, and on which of them a permission holds."""

from dataclasses import dataclass
from typing import Final, TypeVar

from django.db.models import Case, F, Model, Q, QuerySet, When

from collectors.access.principals import Principal
from collectors.domain.roles import Permission
from collectors.models import (
    AuditEntry,
    Bucket,
    Collection,
    Collector,
    CollectorTag,
    Command,
    Cost,
    DatabaseCost,
    EnrolmentToken,
    Fingerprint,
    FingerprintNote,
    FingerprintTag,
    Gap,
    Heartbeat,
    Invitation,
    Latency,
    Lease,
    LedgerAudit,
    ListColumns,
    Membership,
    MonitoredDatabase,
    Organization,
    PersonalToken,
    Plan,
    QueryRate,
    SavedFilter,
    SlowQuery,
    Statement,
    StatusChange,
    Team,
    User,
)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Scope:
    """How a table is scoped: what it takes to see a row, and the lookups that lead from a row to its organization and team.

    Without a `team` lookup only a role in the whole organization counts.
    """

    view: Permission
    organization: str
    team: str | None = None


_SCOPES: Final[dict[type[Model], Scope]] = {
    Team: Scope(Permission.TEAM_VIEW, "organization_id", "id"),
    Membership: Scope(Permission.MEMBERSHIP_VIEW, "organization_id", "team_id"),
    Invitation: Scope(Permission.MEMBERSHIP_VIEW, "organization_id", "team_id"),
    User: Scope(Permission.USER_VIEW, "memberships__organization_id", "memberships__team_id"),
    MonitoredDatabase: Scope(Permission.DATABASE_VIEW, "organization_id", "team_id"),
    # By the collector's own columns, so that collections are counted in their index: they have no others there.
    Collection: Scope(Permission.COLLECTOR_VIEW, "collector__organization_id", "collector__team_id"),
    Collector: Scope(Permission.COLLECTOR_VIEW, "organization_id", "team_id"),
    CollectorTag: Scope(Permission.COLLECTOR_VIEW, "organization_id", "collector__team_id"),
    QueryRate: Scope(Permission.COLLECTOR_VIEW, "organization_id", "collector__team_id"),
    Heartbeat: Scope(Permission.COLLECTOR_VIEW, "organization_id", "collector__team_id"),
    Lease: Scope(Permission.COLLECTOR_VIEW, "organization_id", "database__team_id"),
    EnrolmentToken: Scope(Permission.COLLECTOR_VIEW, "organization_id", "team_id"),
    StatusChange: Scope(Permission.COLLECTOR_VIEW, "organization_id", "collector__team_id"),
    Command: Scope(Permission.COLLECTOR_VIEW, "organization_id", "collector__team_id"),
    Statement: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    Fingerprint: Scope(Permission.QUERY_VIEW, "organization_id", "statements__database__team_id"),
    FingerprintNote: Scope(Permission.QUERY_VIEW, "organization_id", "fingerprint__statements__database__team_id"),
    FingerprintTag: Scope(Permission.QUERY_VIEW, "organization_id", "fingerprint__statements__database__team_id"),
    Bucket: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    Cost: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    DatabaseCost: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    Latency: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    SlowQuery: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    LedgerAudit: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    Plan: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    Gap: Scope(Permission.QUERY_VIEW, "organization_id", "database__team_id"),
    AuditEntry: Scope(Permission.AUDIT_VIEW, "organization_id"),
}
# Everybody sees their own rows of these and no others, SUPER_ADMIN too.
_OWN: Final[dict[type[Model], Permission]] = {
    PersonalToken: Permission.ACCOUNT_OWN,
    SavedFilter: Permission.ACCOUNT_OWN,
    ListColumns: Permission.ACCOUNT_OWN,
}
# Lookups over many rows would list a row once for each.
_MANY: Final = (User, Fingerprint, FingerprintNote, FingerprintTag)


def visible_to(queryset: QuerySet[Row], principal: Principal) -> QuerySet[Row]:
    """Return the rows of the queryset that the principal may see. A table without a scope shows nothing to anybody but SUPER_ADMIN."""
    if queryset.model in _OWN:
        return permitted(queryset, principal, _OWN[queryset.model])
    if queryset.model is Organization:
        return permitted(queryset, principal, Permission.ORGANIZATION_VIEW)
    scope = _SCOPES.get(queryset.model)
    if scope is None:
        return queryset if principal.is_superuser and principal.limited_to is None else queryset.none()
    return permitted(queryset, principal, scope.view)


def permitted(queryset: QuerySet[Row], principal: Principal, permission: Permission) -> QuerySet[Row]:
    """Return the rows on which the permission holds for the principal."""
    if not principal.allows(permission):
        return queryset.none()
    if queryset.model in _OWN:
        return queryset.filter(user_id=principal.user_id)
    if principal.is_superuser:
        return queryset
    if queryset.model is Organization:
        # Whoever belongs to a team sees the organization it is in; to change it takes a role in all of it.
        is_view = permission is Permission.ORGANIZATION_VIEW
        ids = principal.member_organizations() if is_view else principal.organizations(permission)
        return queryset.filter(pk__in=ids)
    scope = _SCOPES.get(queryset.model)
    if scope is None:
        return queryset.none()
    condition = Q(**{f"{scope.organization}__in": principal.organizations(permission)})
    teams = principal.teams(permission)
    # Without a role in a team nothing has to be joined to learn whose a row is.
    if scope.team is not None and teams:
        condition |= Q(**{f"{scope.team}__in": teams})
    if queryset.model in _MANY:
        visible = queryset.model._default_manager.filter(condition).values("pk")
        return queryset.filter(pk__in=visible)
    return queryset.filter(condition)


def with_requesters(commands: QuerySet[Command], principal: Principal) -> QuerySet[Command]:
    """Return the commands with `known_requester_id`: who asked for each, where the principal sees that person or is it."""
    known = Q(requested_by=principal.user_id) | Q(
        requested_by__in=visible_to(User.objects.all(), principal).values("pk")
    )
    return commands.annotate(known_requester_id=Case(When(known, then=F("requested_by_id"))))


def may(principal: Principal, permission: Permission, row: Model) -> bool:
    """Tell whether the permission holds for the principal on this one row."""
    return permitted(type(row)._default_manager.filter(pk=row.pk), principal, permission).exists()
