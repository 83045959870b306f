"""Every route of the API with a body that it takes.

The rows that addresses and bodies name belong to the team Shop of Example GmbH.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from collectors.domain.commands import CommandType
from collectors.domain.personal_tokens import TokenScope
from collectors.domain.roles import Role
from collectors.models import AuditEntry, Fingerprint, Membership, Plan, SlowQuery
from collectors.services.commands import request_command
from collectors.services.fingerprint_notes import add_note
from collectors.services.invitations import invite
from collectors.services.personal_tokens import create_token
from tests.access.matrix import API
from tests.cast import PASSWORD, SOMEBODY, Cast, enrolment_token
from tests.plannable import plannable
from tests.services.uploading import send, slow_log

Body = Callable[["Things"], Any]


@dataclass
class Things:
    """The ids that addresses and bodies name."""

    cast: Cast
    ids: dict[str, Any]


def things(cast: Cast) -> Things:
    """Create what the routes need beside the cast."""
    command = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    send(cast.collector, slow_log(0, 1))
    fingerprint = Fingerprint.objects.get()
    statement = plannable(cast.collector, fingerprint)
    Plan.objects.create(
        organization_id=cast.example.pk,
        database_id=statement.database_id,
        fingerprint=fingerprint,
        statement=statement,
        shape="a" * 32,
        nodes=[{"depth": 0, "type": "Seq Scan", "relation": "orders"}],
        server_version="17.5",
    )
    ids = {
        "audit": AuditEntry.objects.filter(organization_id=cast.example.pk, object_id=cast.collector.pk)[0].pk,
        "collectors": cast.collector.pk,
        "commands": command.pk,
        "databases": cast.collector.database_id,
        "enrolment-tokens": enrolment_token(cast.shop).row.pk,
        "invitations": invite(
            organization=cast.example, team=cast.shop, role=Role.USER, email="new@example.org", actor=SOMEBODY
        ).row.pk,
        "memberships": Membership.objects.get(user=cast.carol).pk,
        "notes": add_note(fingerprint=fingerprint, author=cast.bob, text="nightly", actor=SOMEBODY).pk,
        "organizations": cast.example.pk,
        "queries": fingerprint.fingerprint_id,
        "slow-queries": SlowQuery.objects.get().pk,
        "teams": cast.shop.pk,
        "tokens": create_token(user=cast.bob, name="own", scopes=[TokenScope.READ], days=1, actor=SOMEBODY).row.pk,
        "users": cast.carol.pk,
    }
    return Things(cast, ids)


@dataclass(frozen=True)
class Route:
    """One operation. What it answers whom stands in tests/access/matrix/api.txt."""

    method: str
    template: str
    body: Body | None = None

    @property
    def answers(self) -> dict[str, int]:
        """The status that each caller of the table gets."""
        return API[str(self)]

    @property
    def for_agents(self) -> bool:
        """Whether a collector key opens it, and no token."""
        return self.answers["key"] != 401 and self.answers["root"] == 401

    def path(self, ids: dict[str, Any]) -> str:
        """Return the address with ids in the place of its parameters."""
        parts = self.template.split("/")
        for index, part in enumerate(parts):
            if part.startswith("{"):
                parts[index] = str(ids[parts[index - 1]])
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


# These answer a file, whoever asks in whatever way.
FILES = {"audit/export"}
COMMANDS = "collectors/{collector_pk}/commands"
NOTES = "queries/{fingerprint_id}/notes"


def _team(t: Things) -> Any:
    return {"name": "Returns", "organization_id": t.cast.example.pk}


def _collector(t: Things) -> Any:
    return {"name": "new", "type": "mysql", "team_id": t.cast.shop.pk, "config": {"host": "db", "password": "p"}}


def _enrolment_token(t: Things) -> Any:
    return {"name": "rack 7", "type": "mysql", "team_id": t.cast.shop.pk, "max_uses": 3}


def _invitation(t: Things) -> Any:
    names = {"organization_id": t.cast.example.pk, "team_id": t.cast.shop.pk}
    return {"email": "invited@example.org", "role": "USER", **names}


def _membership(t: Things) -> Any:
    names = {"organization_id": t.cast.example.pk, "team_id": t.cast.shop.pk}
    return {"email": "new@example.org", "role": "USER", **names}


def _name(_: Things) -> Any:
    return {"name": "Another name"}


ROUTES = [
    Route("GET", "audit"),
    Route("GET", "audit/export"),
    Route("GET", "audit/{id}"),
    Route("POST", "auth/logout", lambda t: {}),
    Route("POST", "auth/token", lambda t: {"email": "bob@example.org", "password": PASSWORD}),
    Route("POST", "auth/token/refresh", lambda t: {"refresh": "x"}),
    Route("GET", "collectors"),
    Route("POST", "collectors/register", _collector),
    Route("GET", "collectors/{id}"),
    Route("PATCH", "collectors/{id}", _name),
    Route("DELETE", "collectors/{id}"),
    Route("POST", "collectors/{id}/start", lambda t: {}),
    Route("POST", "collectors/{id}/stop", lambda t: {}),
    Route("POST", "collectors/{id}/collect", lambda t: {}),
    Route("POST", "collectors/{id}/rotate-key", lambda t: {}),
    Route("POST", "collectors/{id}/revoke-key", lambda t: {}),
    Route("GET", COMMANDS),
    Route("GET", COMMANDS + "/{id}"),
    Route("POST", COMMANDS + "/{id}/cancel", lambda t: {}),
    Route("GET", "collectors/{collector_pk}/status-changes"),
    Route("GET", "collectors/{collector_pk}/collections"),
    Route("POST", "collectors/{collector_pk}/heartbeat", lambda t: {"stats": {"queries_collected": 1}}),
    Route("POST", COMMANDS + "/{command_pk}/execute", lambda t: {"success": True, "result": {}}),
    Route("PUT", "collectors/{collector_pk}/key", lambda t: {"sha256": "0" * 64}),
    Route("POST", "queries/bulk", lambda t: {"queries": [{"query": "select 1"}]}),
    Route("GET", "databases"),
    Route("GET", "databases/{id}"),
    Route("PATCH", "databases/{id}", _name),
    Route("DELETE", "databases/{id}"),
    Route("GET", "enrolment-tokens"),
    Route("POST", "enrolment-tokens", _enrolment_token),
    Route("GET", "enrolment-tokens/{id}"),
    Route("DELETE", "enrolment-tokens/{id}"),
    Route("POST", "enrolments", lambda t: {"token": "x", "request_id": "0" * 32, "name": "host"}),
    Route("PUT", "enrolments/key", lambda t: {"token": "x", "request_id": "0" * 32, "sha256": "0" * 64}),
    Route("GET", "invitations"),
    Route("POST", "invitations", _invitation),
    Route("POST", "invitations/accept", lambda t: {"token": "x", "password": PASSWORD}),
    Route("GET", "invitations/{id}"),
    Route("DELETE", "invitations/{id}"),
    Route("GET", "memberships"),
    Route("POST", "memberships", _membership),
    Route("GET", "memberships/{id}"),
    Route("PATCH", "memberships/{id}", lambda t: {"role": "TEAM_LEAD"}),
    Route("DELETE", "memberships/{id}"),
    Route("GET", "organizations"),
    Route("POST", "organizations", _name),
    Route("GET", "organizations/{id}"),
    Route("PATCH", "organizations/{id}", _name),
    Route("DELETE", "organizations/{id}"),
    Route("GET", "queries"),
    Route("GET", "queries/{fingerprint_id}/plans"),
    Route("POST", "queries/{fingerprint_id}/plans", lambda t: {"database_id": t.cast.collector.database_id}),
    Route("GET", NOTES),
    Route("POST", NOTES, lambda t: {"text": "ask Carol first"}),
    Route("DELETE", NOTES + "/{id}"),
    Route("GET", "queries/{fingerprint_id}/tags"),
    Route("PUT", "queries/{fingerprint_id}/tags", lambda t: {"tags": ["report"]}),
    Route("GET", "slow-queries"),
    Route("GET", "slow-queries/{id}"),
    Route("GET", "teams"),
    Route("POST", "teams", _team),
    Route("GET", "teams/{id}"),
    Route("PATCH", "teams/{id}", _name),
    Route("DELETE", "teams/{id}"),
    Route("GET", "tokens"),
    Route("POST", "tokens", lambda t: {"name": "script", "scopes": ["read"], "current_password": PASSWORD}),
    Route("GET", "tokens/{id}"),
    Route("DELETE", "tokens/{id}"),
    Route("GET", "users"),
    Route("POST", "users", lambda t: {"email": "n@example.org", "password": PASSWORD}),
    Route("GET", "users/{id}"),
    Route("PATCH", "users/{id}", _name),
    Route(
        "POST",
        "users/me/password",
        lambda t: {"current_password": PASSWORD, "password": f"{PASSWORD} {timezone.now():%Y}"},
    ),
]
