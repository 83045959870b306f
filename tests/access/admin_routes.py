"""Every address of the admin with a form that it takes. The rows that addresses and forms name belong to Shop of Example GmbH."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import URLPattern, URLResolver

from collectors.admin.site import site
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import Membership, MonitoredDatabase, Statement
from collectors.services.collectors import delete_collector
from collectors.services.invitations import invite
from tests.access.matrix import ADMIN
from tests.admin.conftest import rows_of
from tests.cast import PASSWORD, SOMEBODY, Cast, register
from tests.plannable import plannable

METHODS = ("GET", "POST")
# What is sent by the page on which somebody was asked first.
_CONFIRMED: dict[str, Any] = {"confirmed": "1"}


@dataclass(frozen=True)
class Route:
    """An address and a method. What it answers whom stands in tests/access/matrix/admin.txt."""

    method: str
    template: str

    @property
    def answers(self) -> dict[str, str]:
        """What each caller of the table gets."""
        return ADMIN[str(self)]

    @property
    def model(self) -> str:
        """The table that the address belongs to, if any."""
        if self.template.startswith("/queries/{id}/"):
            return "fingerprint"
        return self.template.split("/")[2] if self.template.count("/") > 2 else ""

    @property
    def view(self) -> str:
        """What of a table the address is about."""
        return next((view for view in ("add", "change", "delete") if self.template.endswith(f"/{view}/")), "")

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def routes() -> list[Route]:
    """Return every address of the site with every method, as the URL configuration has them."""
    return [Route(method, template) for template in sorted(_templates(site.urls[0])) for method in METHODS]


def _templates(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _templates(pattern.url_patterns, here)
            continue
        here = here.replace("<path:object_id>", "{id}").replace("<str:pk>", "{id}")
        here = here.replace("^(?P<app_label>collectors)/$", "collectors/").replace("(?P<url>.*)$", "{url}")
        yield from [here.replace("<slug:name>", name) for name in _actions(here)]


def _actions(template: str) -> list[str]:
    """Return the names that the address of actions takes: those of its table, or one that no table has."""
    if "<slug:name>" not in template:
        return [""]
    found = re.search("/collectors/([a-z]+)/", template)
    assert found
    table = next(table for model, table in site._registry.items() if model._meta.model_name == found[1])
    return [str(name) for name in table.actions or ["unknown"]]


@dataclass
class Place:
    """The rows that addresses and forms name."""

    cast: Cast
    rows: dict[str, Model]
    # Of an invitation of somebody who has no account.
    token: str

    def path(self, route: Route, pk: int | None = None) -> str:
        """Return the address, with another id in the place of the row's when one is given."""
        row = self.rows.get(route.model, self.cast.collector)
        filled = route.template.replace("{id}", str(row.pk if pk is None else pk))
        return "/admin" + filled.replace("{url}", "no-such-page/")

    def query(self, route: Route) -> dict[str, Any]:
        """Return what a GET asks beside the address."""
        if route.template == "/autocomplete/":
            return {"app_label": "collectors", "model_name": "membership", "field_name": "user", "term": "carol"}
        if route.template == "/collectors/collector/choices/":
            return {"of": "team", "term": "shop"}
        return {"s": "shop", "extended": "1"} if route.template == "/search/" else {}

    def form(self, route: Route) -> dict[str, Any]:
        """Return a form that does something for whoever may do it."""
        if route.template == "/login/":
            return {"username": "bob@example.org", "password": PASSWORD}
        if route.template == "/password_change/":
            new = f"{PASSWORD} another"
            return {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        own: dict[str, dict[str, Any]] = {
            "/preferences/": {"name": "Another name", "language": "it", "time_zone": "Europe/Rome"},
            "/second-factor/": {"begin": "1"},
            "/tokens/": {"name": "script", "days": "7", "scopes": "read", "password": PASSWORD},
            "/invitation/": {"token": self.token, "accept": "", "password": PASSWORD},
            "/collectors/collector/columns/": {"column": ["errors"]},
            "/collectors/collector/filters/": {"save": "1", "name": "mine", "query": "errors=any"},
            "/queries/{id}/": {"note": "the nightly report"},
            "/queries/{id}/plan/": {"statement": Statement.objects.get(source="pg_stat_statements").pk},
        }
        if route.template in own:
            return own[route.template]
        if route.view == "delete":
            return {"post": "yes", "typed": str(getattr(self.rows.get(route.model), "name", ""))}
        actions = {"collector": "collect", "command": "cancel", "invitation": "revoke", "enrolmenttoken": "revoke"}
        if route.template == f"/collectors/{route.model}/" and route.model in actions:
            return {
                "action": actions[route.model],
                "index": "0",
                "_selected_action": [str(self.rows[route.model].pk)],
                **_CONFIRMED,
            }
        return self._filled(route) if route.view else _CONFIRMED if "/do/" in route.template else {}

    def _filled(self, route: Route) -> dict[str, Any]:
        named = {"name": "Another name"}
        shop = {"organization": self.cast.example.pk, "team": self.cast.shop.pk, "role": "USER"}
        forms: dict[str, dict[str, Any]] = {
            "collector": {**named, "team": self.cast.shop.pk, "type": "mysql", "collection_interval_minutes": "7"},
            "enrolmenttoken": {**named, "team": self.cast.shop.pk, "type": "mysql", "max_uses": "2", "hours": "1"},
            "membership": {**shop, "email": "new@example.org"},
            "organization": named,
            "team": {**named, "organization": self.cast.example.pk},
            "user": {**named, "email": "new@example.org"},
        }
        form = forms.get(route.model, named)
        return {**form, "role": "TEAM_LEAD", "is_active": "on"} if route.view == "change" else form


def place(cast: Cast) -> Place:
    """Create one row of every table that the admin has."""
    own = rows_of(cast.collector, "select own_secret from orders where id = ?")
    plannable(cast.collector, own.fingerprint)
    rows_of(cast.foreign_collector, "select foreign_secret from orders where id = ?")
    rows: list[Model] = [*own.all(), cast.example, cast.shop, _unwatched(cast)]  # type: ignore[list-item]
    rows.append(Membership.objects.get(user=cast.carol))
    invited = invite(
        organization=cast.example, team=cast.shop, role=Role.USER, email="somebody@example.org", actor=SOMEBODY
    )
    return Place(cast, {str(row._meta.model_name): row for row in rows}, invited.token)


def _unwatched(cast: Cast) -> MonitoredDatabase:
    """Return a database that can be removed: nothing watches it any more."""
    collector = register(cast.shop, "shop-once", Engine.MYSQL)[0]
    database = collector.database
    delete_collector(collector=collector, actor=SOMEBODY)
    return database
