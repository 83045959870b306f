"""Every route of the API with a body that it takes and what each caller of the cast is answered.

The rows that addresses and bodies name belong to the team Shop of Example GmbH.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from collectors.domain.commands import CommandType
from collectors.models import AuditEntry, Membership, SlowQuery
from collectors.services.commands import request_command
from tests.cast import PASSWORD, SOMEBODY, Cast
from tests.services.uploading import send, slow_log

Body = Callable[["Things"], Any]


@dataclass
class Things:
    """The ids that addresses and bodies name."""

    cast: Cast
    ids: dict[str, int]


def things(cast: Cast) -> Things:
    """Create what the routes need beside the cast."""
    command = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    send(cast.collector, slow_log(0, 1))
    ids = {
        "audit": AuditEntry.objects.filter(organization_id=cast.example.pk, object_id=cast.collector.pk)[0].pk,
        "collectors": cast.collector.pk,
        "commands": command.pk,
        "databases": cast.collector.database_id,
        "memberships": Membership.objects.get(user=cast.carol).pk,
        "organizations": cast.example.pk,
        "slow-queries": SlowQuery.objects.get().pk,
        "teams": cast.shop.pk,
        "users": cast.carol.pk,
    }
    return Things(cast, ids)


@dataclass(frozen=True)
class Route:
    """One operation: the statuses follow the order of `callers.CALLERS`."""

    method: str
    template: str
    statuses: tuple[int, ...]
    body: Body | None = None

    def path(self, ids: dict[str, int]) -> str:
        """Return the address with ids in the place of its parameters."""
        parts = self.template.split("/")
        for index, part in enumerate(parts):
            if part.startswith("{"):
                parts[index] = str(ids[parts[index - 1]])
        return "/".join(parts)

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def _row(method: str, template: str, statuses: str, body: Body | None = None) -> Route:
    return Route(method, template, tuple(map(int, statuses.split())), body)


#                                                root alice bob carol dave mallory anonymous key
LISTED = "200 200 200 200 200 200 401 401"
OWN_TEAM = "200 200 200 404 404 404 401 401"
OWN_TEAM_WITH_USERS = "200 200 200 200 404 404 401 401"
ACCEPTED = "202 202 202 404 404 404 401 401"
AGENT = "401 401 401 401 401 401 401 200"
COMMANDS = "collectors/{collector_pk}/commands"


def _team(t: Things) -> Any:
    return {"name": "Returns", "organization_id": t.cast.example.pk}


def _collector(t: Things) -> Any:
    return {"name": "new", "type": "mysql", "team_id": t.cast.shop.pk, "config": {"host": "db", "password": "p"}}


def _membership(t: Things) -> Any:
    names = {"organization_id": t.cast.example.pk, "team_id": t.cast.shop.pk}
    return {"email": "new@example.org", "role": "USER", **names}


def _name(_: Things) -> Any:
    return {"name": "Another name"}


ROUTES = [
    _row("GET", "audit", LISTED),
    _row("GET", "audit/{id}", "200 200 404 404 404 404 401 401"),
    _row("POST", "auth/logout", "204 204 204 204 204 204 401 401", lambda t: {}),
    _row("POST", "auth/token", "200 " * 8, lambda t: {"email": "bob@example.org", "password": PASSWORD}),
    _row("POST", "auth/token/refresh", "401 " * 8, lambda t: {"refresh": "x"}),
    _row("GET", "collectors", LISTED),
    _row("POST", "collectors/register", "201 201 201 403 400 400 401 401", _collector),
    _row("GET", "collectors/{id}", OWN_TEAM),
    _row("PATCH", "collectors/{id}", OWN_TEAM, _name),
    _row("DELETE", "collectors/{id}", "204 204 204 404 404 404 401 401"),
    _row("POST", "collectors/{id}/start", ACCEPTED, lambda t: {}),
    _row("POST", "collectors/{id}/stop", ACCEPTED, lambda t: {}),
    _row("POST", "collectors/{id}/collect", ACCEPTED, lambda t: {}),
    _row("POST", "collectors/{id}/rotate-key", OWN_TEAM, lambda t: {}),
    _row("GET", COMMANDS, OWN_TEAM),
    _row("GET", COMMANDS + "/{id}", OWN_TEAM),
    _row("POST", COMMANDS + "/{id}/cancel", OWN_TEAM, lambda t: {}),
    _row("GET", "collectors/{collector_pk}/status-changes", OWN_TEAM),
    _row("POST", "collectors/{collector_pk}/heartbeat", AGENT, lambda t: {"stats": {"queries_collected": 1}}),
    _row("POST", COMMANDS + "/{command_pk}/execute", AGENT, lambda t: {"success": True, "result": {}}),
    _row("POST", "queries/bulk", AGENT, lambda t: {"queries": [{"query": "select 1"}]}),
    _row("GET", "databases", LISTED),
    _row("GET", "databases/{id}", OWN_TEAM_WITH_USERS),
    _row("PATCH", "databases/{id}", "200 200 200 403 404 404 401 401", _name),
    _row("DELETE", "databases/{id}", "409 409 409 403 404 404 401 401"),
    _row("GET", "memberships", LISTED),
    _row("POST", "memberships", "201 201 403 403 403 400 401 401", _membership),
    _row("GET", "memberships/{id}", OWN_TEAM),
    _row("PATCH", "memberships/{id}", "200 200 403 404 404 404 401 401", lambda t: {"role": "TEAM_LEAD"}),
    _row("DELETE", "memberships/{id}", "204 204 403 404 404 404 401 401"),
    _row("GET", "organizations", LISTED),
    _row("POST", "organizations", "201 403 403 403 403 403 401 401", _name),
    _row("GET", "organizations/{id}", "200 200 200 200 200 404 401 401"),
    _row("PATCH", "organizations/{id}", "200 200 403 403 403 404 401 401", _name),
    _row("DELETE", "organizations/{id}", "409 403 403 403 403 404 401 401"),
    _row("GET", "queries", LISTED),
    _row("GET", "slow-queries", LISTED),
    _row("GET", "slow-queries/{id}", OWN_TEAM_WITH_USERS),
    _row("GET", "teams", LISTED),
    _row("POST", "teams", "201 201 403 403 403 400 401 401", _team),
    _row("GET", "teams/{id}", OWN_TEAM_WITH_USERS),
    _row("PATCH", "teams/{id}", "200 200 403 403 404 404 401 401", _name),
    _row("DELETE", "teams/{id}", "409 409 403 403 404 404 401 401"),
    _row("GET", "users", LISTED),
    _row(
        "POST", "users", "201 403 403 403 403 403 401 401", lambda t: {"email": "n@example.org", "password": PASSWORD}
    ),
    _row("GET", "users/{id}", OWN_TEAM),
    _row("PATCH", "users/{id}", "200 403 403 404 404 404 401 401", _name),
    _row(
        "POST",
        "users/me/password",
        "204 204 204 204 204 204 401 401",
        lambda t: {"current_password": PASSWORD, "password": f"{PASSWORD} {timezone.now():%Y}"},
    ),
]
