"""No page of the admin shows or touches another tenant's rows, whichever way it is asked."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from collectors.admin.base import ScopedModelAdmin
from collectors.admin.display import NOTHING
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.models import Fingerprint, Membership, Statement, User
from collectors.services.collectors import change_collector
from collectors.services.commands import request_command
from tests.admin.conftest import Rows, Visit
from tests.cast import Cast

TABLES = sorted(site._registry, key=lambda model: model.__name__)
FOREIGN_WORDS = (b"Sample Srl", b"foreign-mysql", b"foreign_secret", b"mallory")
COLLECTOR_TABLES = ("collector", "command", "statuschange")


def address(row: Model | type[Model], view: str, *args: Any) -> str:
    """Return the address of a table's or a row's page."""
    return reverse(f"admin:collectors_{row._meta.model_name}_{view}", args=args)


def foreign_rows(cast: Cast, foreign: Rows) -> list[Any]:
    """Return one foreign row of every table."""
    return [*foreign.all(), cast.sample, cast.foreign, cast.mallory]


def test_every_table_is_scoped_by_the_base_class() -> None:
    for table in site._registry.values():
        assert isinstance(table, ScopedModelAdmin)
        # The others add to what the base class lets through.
        adding = {"CommandAdmin", "FingerprintAdmin", "MonitoredDatabaseAdmin", "SlowQueryAdmin"}
        assert type(table).get_queryset.__qualname__.split(".")[0] in {"ScopedModelAdmin", *adding}


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
@pytest.mark.parametrize("who", ["alice", "bob", "carol", "dave"])
def test_lists_hold_nothing_foreign(
    model: type[Model], who: str, cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    response = visit(getattr(cast, who)).get(address(model, "changelist"))

    assert response.status_code in {200, 403}
    for word in FOREIGN_WORDS:
        assert word not in response.content


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model.__name__)
def test_the_administrator_of_the_whole_sees_every_table(
    model: type[Model], cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    client = visit(cast.root)
    response = client.get(address(model, "changelist"))
    assert response.status_code == 200
    for row in model._default_manager.all()[:3]:
        assert client.get(address(row, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("view", ["change", "delete", "history"])
@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_a_foreign_object_is_like_an_absent_one(
    view: str, who: str, cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    client = visit(getattr(cast, who))
    for row in foreign_rows(cast, foreign):
        there = client.get(address(row, view, row.pk))
        absent = client.get(address(row, view, 999_999))
        assert (there.status_code, there.headers.get("Location")) == (
            absent.status_code,
            absent.headers.get("Location"),
        )
        assert there.status_code in {302, 403}
        for word in FOREIGN_WORDS:
            assert word not in there.content


@pytest.mark.parametrize("view", ["change", "delete"])
@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_nothing_foreign_can_be_written(
    view: str, who: str, cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    client = visit(getattr(cast, who))
    for row in foreign_rows(cast, foreign):
        before = type(row).objects.filter(pk=row.pk).values().get()
        response = client.post(address(row, view, row.pk), {"name": "stolen", "post": "yes", "role": "USER"})
        assert response.status_code in {302, 403}
        assert type(row).objects.filter(pk=row.pk).values().get() == before


def test_a_user_sees_databases_and_queries_and_no_collectors(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.carol)
    for name in COLLECTOR_TABLES:
        assert client.get(reverse(f"admin:collectors_{name}_changelist")).status_code == 403
    home = client.get(reverse("admin:index")).content
    assert b"/admin/collectors/collector/" not in home
    assert b"/admin/collectors/monitoreddatabase/" in home
    page = client.get(address(own.database, "change", own.database.pk))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert client.post(address(own.database, "change", own.database.pk), {"name": "mine"}).status_code == 403
    assert b"own_secret" in client.get(address(own.slow_query, "changelist")).content


def test_collectors_are_counted_where_one_may_see_them(cast: Cast, visit: Visit) -> None:
    cast.bob.memberships.create(organization=cast.example, team=cast.warehouse, role="USER")
    page = visit(cast.bob).get(reverse("admin:collectors_monitoreddatabase_changelist")).context["cl"]
    counted = {database.name: page.model_admin.watchers(database) for database in page.result_list}
    assert counted == {"shop-mysql": "1", "warehouse-pg": NOTHING}


def test_when_a_statement_was_seen_first_is_told_of_the_own_teams(cast: Cast, own: Rows, visit: Visit) -> None:
    now = timezone.now()
    Fingerprint.objects.filter(pk=own.fingerprint.pk).update(created_at=now - timedelta(days=40))
    Statement.objects.filter(pk=own.statement.pk).update(first_seen=now - timedelta(days=40))
    Statement.objects.create(
        organization_id=cast.example.pk,
        database=cast.warehouse_collector.database,
        source="pg_stat_statements",
        key="the same",
        fingerprint=own.fingerprint,
        first_seen=now - timedelta(days=2),
    )
    seen = {}
    for who in ("alice", "bob", "dave"):
        client = visit(getattr(cast, who))
        row = client.get(address(Fingerprint, "changelist")).context["cl"].result_list[0]
        assert client.get(address(Fingerprint, "change", row.pk)).context["original"].seen_since == row.seen_since
        seen[who] = (now - row.seen_since).days
    assert seen == {"alice": 40, "bob": 40, "dave": 2}


def test_a_lead_sees_the_own_team_alone(cast: Cast, visit: Visit) -> None:
    content = visit(cast.bob).get(reverse("admin:collectors_collector_changelist")).content
    assert b"shop-mysql" in content
    assert b"warehouse-pg" not in content


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_choices_of_forms_hold_nothing_foreign(who: str, cast: Cast, foreign: Rows, visit: Visit) -> None:
    client = visit(getattr(cast, who))
    for model in TABLES:
        response = client.get(address(model, "add"))
        assert response.status_code in {200, 403}
        for word in FOREIGN_WORDS:
            assert word not in response.content


def test_choices_hold_only_rows_on_which_the_permission_is_held(cast: Cast, visit: Visit) -> None:
    content = visit(cast.bob).get(reverse("admin:collectors_collector_add")).content
    assert f'<option value="{cast.shop.pk}">'.encode() in content
    assert f'<option value="{cast.warehouse.pk}">'.encode() not in content


def test_a_foreign_choice_in_a_form_is_refused_like_an_absent_one(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    bodies = [
        client.post(reverse("admin:collectors_team_add"), {"organization": pk, "name": "x"}).content
        for pk in (cast.sample.pk, 999_999)
    ]
    assert all(b"not one of the available choices" in body for body in bodies)
    assert not cast.sample.teams.filter(name="x").exists()


def test_searching_finds_nothing_foreign(cast: Cast, own: Rows, foreign: Rows, visit: Visit) -> None:
    client = visit(cast.alice)
    for term in ("foreign", "Sample", "mallory", "mysql"):
        content = client.get(reverse("admin:search"), {"s": term, "extended": "1"}).content
        assert b"foreign-mysql" not in content
        assert b"Sample Srl" not in content
        assert b"mallory@" not in content
    assert b"shop-mysql" in client.get(reverse("admin:search"), {"s": "shop-mysql", "extended": "1"}).content


def test_a_lost_role_counts_in_the_next_search(cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.bob)
    found = {"s": "shop-mysql", "extended": "1"}
    assert b"shop-mysql" in client.get(reverse("admin:search"), found).content
    cast.bob.memberships.update(team=cast.warehouse)
    assert b"shop-mysql" not in client.get(reverse("admin:search"), found).content


@pytest.mark.parametrize("search", ["", "x" * 5000, "🦔", "' or 1=1 --"])
def test_any_search_is_answered(search: str, cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    query = f"?s={search}&extended=1&page=x"
    assert client.get(reverse("admin:search") + query).status_code == 200
    assert client.get(reverse("admin:collectors_collector_changelist") + f"?q={search}").status_code in {200, 302}


def test_completion_offers_nothing_foreign(cast: Cast, own: Rows, foreign: Rows, visit: Visit) -> None:
    for model, field in (
        ("collector", "team"),
        ("collector", "database"),
        ("statement", "database"),
        ("membership", "user"),
    ):
        asked = {"app_label": "collectors", "model_name": model, "field_name": field}
        response = visit(cast.alice).get(reverse("admin:autocomplete"), asked)
        assert response.status_code == 200
        for word in FOREIGN_WORDS:
            assert word not in response.content


@pytest.mark.parametrize(
    "lookup",
    [
        "api_key_hash__startswith",
        "config__contains",
        "previous_key_hash",
        "team__organization__name",
        "organization__collectors__name__startswith",
        "heartbeat__last_error__contains",
    ],
)
def test_only_declared_filters_are_looked_up(lookup: str, cast: Cast, visit: Visit) -> None:
    response = visit(cast.root).get(reverse("admin:collectors_collector_changelist"), {lookup: "a"})
    assert response.status_code == 400


def test_a_password_hash_cannot_be_guessed_by_filtering(cast: Cast, visit: Visit) -> None:
    response = visit(cast.root).get(reverse("admin:collectors_user_changelist"), {"password__startswith": "pbkdf2"})
    assert response.status_code == 400


def test_a_filter_by_a_foreign_row_finds_nothing(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    for team_id in (cast.foreign.pk, 999_999):
        response = client.get(reverse("admin:collectors_collector_changelist"), {"team__id__exact": team_id})
        assert response.status_code == 200
        assert b"shop-mysql" not in response.content
        assert b"foreign-mysql" not in response.content


@pytest.mark.parametrize("query", ["e=1", "p=x", "p=9999999", "o=99.x", "all=", "team__id__exact=" + "9" * 40])
def test_odd_lists_are_answered(query: str, cast: Cast, visit: Visit) -> None:
    response = visit(cast.alice).get(reverse("admin:collectors_collector_changelist") + "?" + query)
    assert response.status_code in {200, 302}


@pytest.mark.parametrize("object_id", ["x", "0", "-1", "9" * 40, "1.5", "%F0%9F%A6%94"])
def test_odd_ids_are_absent(object_id: str, cast: Cast, visit: Visit) -> None:
    for view in ("change", "delete", "history"):
        path = reverse(f"admin:collectors_collector_{view}", args=["7"]).replace("/7/", f"/{object_id}/")
        assert visit(cast.alice).get(path).status_code == 302


def test_recent_acts_are_ones_own_and_of_ones_own_tenants(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    client.post(address(cast.collector, "do", cast.collector.pk, "collect"))
    assert b"to collect now" in client.get(reverse("admin:index")).content
    assert b"to collect now" not in visit(cast.alice).get(reverse("admin:index")).content
    cast.bob.memberships.all().delete()
    cast.bob.memberships.create(organization=cast.sample, team=cast.foreign, role="USER")
    assert b"to collect now" not in client.get(reverse("admin:index")).content


def test_histories_need_the_right_to_see_the_audit(cast: Cast, own: Rows, visit: Visit) -> None:
    path = address(own.collector, "history", own.collector.pk)
    assert b"registered the collector" in visit(cast.alice).get(path).content
    assert visit(cast.bob).get(path).status_code == 403


def test_djangos_own_log_stays_empty(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    client.post(reverse("admin:collectors_team_add"), {"organization": cast.example.pk, "name": "Payments"})
    team = cast.example.teams.get(name="Payments")
    client.post(address(team, "change", team.pk), {"name": "Billing"})
    client.post(address(team, "delete", team.pk), {"post": "yes"})
    assert not cast.example.teams.filter(name="Billing").exists()
    assert LogEntry.objects.count() == 0


def test_whoever_belongs_nowhere_is_not_let_in(cast: Cast) -> None:
    stranger = User.objects.create_user("stranger@example.org", "a long enough pass phrase")
    client = Client()
    client.force_login(stranger)
    response = client.get(reverse("admin:index"))
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/")


def test_every_table_is_reached_only_when_signed_in(db: None) -> None:
    for model in TABLES:
        response = Client().get(address(model, "changelist"))
        assert response.headers["Location"].startswith("/admin/login/")


def test_who_asked_for_a_command_is_named_to_those_who_see_that_person_alone(cast: Cast, visit: Visit) -> None:
    actor = Actor(label=cast.root.email, user_id=cast.root.pk)
    command = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=actor)
    for path in (
        reverse("admin:collectors_command_changelist"),
        reverse("admin:collectors_command_change", args=[command.pk]),
        reverse("admin:collectors_collector_change", args=[cast.collector.pk]),
    ):
        shown = visit(cast.bob).get(path).content.decode()
        assert (cast.root.email in shown, "an administrator" in shown) == (False, True), path
        assert cast.root.email in visit(cast.root).get(path).content.decode(), path


def test_the_home_page_tells_of_ones_acts_what_is_still_ones_to_see(cast: Cast, visit: Visit) -> None:
    alice = Actor(label=cast.alice.email, user_id=cast.alice.pk)
    for collector, name in ((cast.collector, "renamed-shop"), (cast.warehouse_collector, "renamed-warehouse")):
        change_collector(collector=collector, actor=alice, name=name)
    page = visit(cast.alice).get("/admin/").content
    assert (b"shop-mysql" in page, b"warehouse-pg" in page) == (True, True)
    Membership.objects.filter(user=cast.alice).update(team=cast.shop, role="TEAM_LEAD")
    page = visit(cast.alice).get("/admin/").content
    assert (b"shop-mysql" in page, b"warehouse-pg" in page) == (True, False)
    Membership.objects.filter(user=cast.alice).update(role="USER")
    page = visit(cast.alice).get("/admin/").content
    assert (b"shop-mysql" in page, b"warehouse-pg" in page) == (False, False)
