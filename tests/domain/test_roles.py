"""What each role may do."""

import pytest

from collectors.domain.roles import PERMISSIONS, Permission, Role

# What changes rows; a note beside a statement changes none of them.
CHANGES = {item for item in Permission if not item.value.endswith(".view")} - {Permission.QUERY_ANNOTATE}


def test_every_role_has_a_row_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Role)


def test_a_user_reads_queries_and_sees_no_collector() -> None:
    allowed = PERMISSIONS[Role.USER]
    assert {Permission.QUERY_VIEW, Permission.QUERY_ANNOTATE} <= allowed
    assert not allowed & CHANGES
    assert not [permission for permission in allowed if permission.value.startswith("collector.")]


def test_each_role_can_do_what_the_lower_one_can() -> None:
    assert PERMISSIONS[Role.USER] < PERMISSIONS[Role.TEAM_LEAD] < PERMISSIONS[Role.ORG_ADMIN]


@pytest.mark.parametrize(
    "permission", [Permission.ORGANIZATION_CREATE, Permission.ORGANIZATION_DELETE, Permission.USER_MANAGE]
)
def test_tenants_and_accounts_are_made_by_super_admin_alone(permission: Permission) -> None:
    assert all(permission not in allowed for allowed in PERMISSIONS.values())


def test_a_team_lead_cannot_give_roles() -> None:
    assert Permission.MEMBERSHIP_MANAGE not in PERMISSIONS[Role.TEAM_LEAD]
    assert Permission.TEAM_MANAGE not in PERMISSIONS[Role.TEAM_LEAD]


def test_roles_but_org_admin_are_held_in_a_team() -> None:
    assert [role for role in Role if not role.needs_team] == [Role.ORG_ADMIN]
