"""The statements that let an agent read a database, for the engine, account and host that are being filled in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from collectors.domain import grants
from collectors.domain.grants import Purpose
from collectors.domain.sources import Engine

_MAX_CHARACTERS: Final = 255


@dataclass(frozen=True)
class Shown:
    """Statements that are run together: what they are for, and why."""

    name: str
    title: str
    why: str
    sql: str


def grants_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Answer the part of the form that shows the statements. They hold nothing but what was just typed."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    return render(request, "admin/dbpower/grants.html", grants_context(request.GET))


def grants_context(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template needs, from the fields of the form."""
    engine = Engine.POSTGRES if typed.get("type") == Engine.POSTGRES else Engine.MYSQL
    user, host, socket = (_typed(typed, name) for name in ("db_user", "db_host", "db_socket"))
    found = grants.grants(engine, user=user, host="" if socket else host)
    words = {
        Purpose.ACCOUNT: (_("An account that may read statistics"), _("Choose a password of your own.")),
        Purpose.SLOW_LOG: (
            _("The slow log, in a table"),
            _(
                "Statements that take longer than so many seconds are logged. "
                "Put the same into the server's file, or it is gone with a restart."
            ),
        ),
        Purpose.EXTENSION: (
            _("The extension that counts"),
            _("In the database that the agent connects to; it counts for all databases of the server."),
        ),
    }
    return {
        "engine": engine.value,
        "grants": [Shown(f"grant-{grant.purpose}", *words[grant.purpose], grant.sql) for grant in found],
        "optional": _optional(engine, user),
    }


def _optional(engine: Engine, user: str) -> list[Shown]:
    """Return what can be left out: plans need it, numbers do not."""
    if engine is not Engine.POSTGRES:
        return []
    why = _(
        "Only where the team wants plans of statements, with PostgreSQL 16 or newer, in each database and as a superuser. "
        "Write the role whose statements may be planned in the place of app. The agent itself needs no rights on tables."
    )
    sql = grants.plan_functions(role="app", user=user or grants.USER)
    return [Shown("grant-plans", _("Functions that make plans, if wanted"), why, sql)]


def _typed(typed: Mapping[str, Any], name: str) -> str:
    return str(typed.get(name) or "").strip().replace("\0", "")[:_MAX_CHARACTERS]
