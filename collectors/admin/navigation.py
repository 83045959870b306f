"""The sidebar: what there is, in the order of an operator's work."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from collectors.admin import signed_in
from collectors.domain.roles import Permission

# Title, icon, address, and the permission without which it is not shown.
_GROUPS: Final = (
    (
        _("Fleet"),
        (
            (_("Collectors"), "sensors", "collectors_collector_changelist", Permission.COLLECTOR_VIEW),
            (_("Databases"), "database", "collectors_monitoreddatabase_changelist", Permission.DATABASE_VIEW),
            (_("Enrolment"), "add_link", "collectors_enrolmenttoken_changelist", Permission.COLLECTOR_VIEW),
            (_("Commands"), "terminal", "collectors_command_changelist", Permission.COLLECTOR_VIEW),
            (_("Status changes"), "swap_vert", "collectors_statuschange_changelist", Permission.COLLECTOR_VIEW),
        ),
    ),
    (
        _("Queries"),
        (
            (_("Top queries"), "leaderboard", "queries", Permission.QUERY_VIEW),
            (_("Slow queries"), "hourglass_bottom", "collectors_slowquery_changelist", Permission.QUERY_VIEW),
            (_("Fingerprints"), "fingerprint", "collectors_fingerprint_changelist", Permission.QUERY_VIEW),
            (_("Statements"), "data_object", "collectors_statement_changelist", Permission.QUERY_VIEW),
            (_("Completeness"), "rule", "collectors_gap_changelist", Permission.QUERY_VIEW),
        ),
    ),
    (
        _("People"),
        (
            (_("Organizations"), "apartment", "collectors_organization_changelist", Permission.ORGANIZATION_VIEW),
            (_("Teams"), "groups", "collectors_team_changelist", Permission.TEAM_VIEW),
            (_("Memberships"), "badge", "collectors_membership_changelist", Permission.MEMBERSHIP_VIEW),
            (_("Invitations"), "mail", "collectors_invitation_changelist", Permission.MEMBERSHIP_VIEW),
            (_("Users"), "person", "collectors_user_changelist", Permission.USER_VIEW),
            (_("Audit"), "policy", "collectors_auditentry_changelist", Permission.AUDIT_VIEW),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar for whoever is signed in: only tables in which something may be seen."""
    asking = signed_in.principal(request)
    home = {"items": [{"title": _("Home"), "icon": "home", "link": reverse("admin:index")}]}
    groups = [
        {
            "title": title,
            "items": [
                {"title": name, "icon": icon, "link": reverse(f"admin:{view}")}
                for name, icon, view, permission in entries
                if asking.holds(permission)
            ],
        }
        for title, entries in _GROUPS
    ]
    return [home, *(group for group in groups if group["items"])]
