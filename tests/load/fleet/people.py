"""Organizations, teams, and people of each role; the logins that are printed."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any, Final

from tests.load.fleet.loading import Cursor, Step, copy, keep_counting
from tests.load.fleet.plan import Plan

SUPER_ADMIN: Final = "super.admin@dbpower.example"
_GIVEN: Final = "Ada Bruno Carla Dario Elena Franz Greta Hugo Ilse Jonas Klara Luca Marta Nils Olga Paolo Rita Sven Tina Urs Vera".split()
_FAMILY: Final = "Amato Bauer Conti Dorn Egger Ferri Gross Huber Innes Jung Kern Longo Moser Neri Oberhofer Pircher Rossi Senn".split()
_PARTS: Final = (
    "shop billing search stock mail identity fraud ledger reports mobile partners media routing pricing support".split()
)
# Of each team, beside its lead.
USERS_PER_TEAM: Final = 4
ADMINS_PER_ORGANIZATION: Final = 3


def logins(plan: Plan) -> list[tuple[str, str, str]]:
    """Return role, place and address of those who can sign in with the printed password, one for each role."""
    large = plan.tenants[0]
    return [
        ("SUPER_ADMIN", "everything", SUPER_ADMIN),
        ("ORG_ADMIN", large.name, f"org.admin@{large.domain}"),
        ("TEAM_LEAD", f"{large.name}, {team_name(large.teams[0])}", f"team.lead@{large.domain}"),
        ("USER", f"{large.name}, {team_name(large.teams[0])}", f"user@{large.domain}"),
    ]


def team_name(pk: int) -> str:
    """Return the name of a team."""
    return f"{_PARTS[pk % len(_PARTS)].capitalize()} {pk:04}"


def steps(plan: Plan, password_hash: str) -> list[Step]:
    """Return the steps that make them. All have one password, of which everybody's hash is the same."""
    return [
        Step("organizations", "people", 0.1, lambda cursor: _organizations(cursor, plan)),
        Step("users", "roles", 1, lambda cursor: _users(cursor, plan, password_hash)),
        Step("invitations", "invitations", 0.3, lambda cursor: _invitations(cursor, plan)),
    ]


def _organizations(cursor: Cursor, plan: Plan) -> int:
    made = plan.begins_at - timedelta(days=200)
    rows = copy(cursor, "organizations", ("id", "name", "created_at"), ((t.pk, t.name, made) for t in plan.tenants))
    # The large organization has switched plans on.
    teams = ((team, t.pk, team_name(team), made, t is plan.tenants[0]) for t in plan.tenants for team in t.teams)
    rows += copy(cursor, "teams", ("id", "organization_id", "name", "created_at", "plans"), teams)
    keep_counting(cursor, "organizations", "teams")
    return rows


def _users(cursor: Cursor, plan: Plan, password_hash: str) -> int:
    users: list[tuple[Any, ...]] = []
    members: list[tuple[Any, ...]] = []
    made = plan.begins_at - timedelta(days=100)
    number = count(1)

    def person(email: str, name: str, *, superuser: bool = False) -> int:
        pk = next(number)
        seen = plan.ends_at - timedelta(hours=pk % 700)
        users.append((pk, email, name, password_hash, True, superuser, made, seen))
        return pk

    person(SUPER_ADMIN, "Super admin", superuser=True)
    for place, role, email, name in _places(plan):
        members.append((len(members) + 1, person(email, name), *place, role, made))
    columns = ("id", "email", "name", "password", "is_active", "is_superuser", "created_at", "last_login")
    rows = copy(cursor, "users", columns, iter(users))
    rows += copy(
        cursor,
        "memberships",
        ("id", "user_id", "organization_id", "team_id", "role", "created_at"),
        iter(members),
    )
    keep_counting(cursor, "users", "memberships")
    return rows


def _places(plan: Plan) -> Iterator[tuple[tuple[int, int | None], str, str, str]]:
    """Yield where each person belongs, as what, and who that is."""
    chance = plan.randomness("people")

    def name() -> str:
        return f"{chance.choice(_GIVEN)} {chance.choice(_FAMILY)}"

    for tenant in plan.tenants:
        yield (tenant.pk, None), "ORG_ADMIN", f"org.admin@{tenant.domain}", name()
        for extra in range(1, ADMINS_PER_ORGANIZATION):
            yield (tenant.pk, None), "ORG_ADMIN", f"org.admin{extra}@{tenant.domain}", name()
        for team in tenant.teams:
            first = team == tenant.teams[0]
            yield (tenant.pk, team), "TEAM_LEAD", f"team.lead{'' if first else team}@{tenant.domain}", name()
            for extra in range(USERS_PER_TEAM):
                suffix = "" if first and not extra else f"{team}.{extra}"
                yield (tenant.pk, team), "USER", f"user{suffix}@{tenant.domain}", name()


def _invitations(cursor: Cursor, plan: Plan) -> int:
    chance = plan.randomness("invitations")
    rows = []
    for pk in range(1, 501):
        tenant = plan.tenants[0] if pk % 2 else chance.choice(plan.tenants)
        made = plan.ends_at - timedelta(hours=chance.uniform(0, 24 * plan.days))
        accepted = made + timedelta(hours=20) if pk % 3 else None
        team = chance.choice(tenant.teams)
        token = f"{chance.getrandbits(256):064x}"
        rows.append(
            (
                pk,
                tenant.pk,
                team,
                "USER",
                f"invited{pk}@{tenant.domain}",
                token,
                made,
                made + timedelta(days=7),
                accepted,
            )
        )
    columns = (
        "id",
        "organization_id",
        "team_id",
        "role",
        "email",
        "token_hash",
        "created_at",
        "expires_at",
        "accepted_at",
    )
    done = copy(cursor, "invitations", columns, iter(sorted(rows, key=lambda row: row[6])))
    cursor.execute(
        "INSERT INTO enrolment_tokens (organization_id, team_id, name, type, token_hash, max_uses, uses, created_at, expires_at) "
        "SELECT organization_id, id, 'hosts of ' || name, CASE WHEN id %% 2 = 0 THEN 'mysql' ELSE 'postgres' END, "
        "encode(sha256(('enrolment' || id)::bytea), 'hex'), 50, id %% 50, "
        "%(end)s - id * interval '1 hour', %(end)s - id * interval '1 hour' + interval '1 day' FROM teams WHERE id <= 300",
        {"end": plan.ends_at},
    )
    done += cursor.rowcount
    keep_counting(cursor, "invitations")
    return done
