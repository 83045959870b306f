"""What the list of collectors shows, what it asks for again, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from collectors.domain import limits
from collectors.domain.commands import CommandType
from collectors.domain.sources import Engine
from collectors.models import Collector, Command, ControlPlane, EnrolmentToken, Heartbeat, Lease, QueryRate
from collectors.services.collectors import change_collector, register_collector
from collectors.services.commands import request_command
from tests.admin.conftest import Visit
from tests.cast import SOMEBODY, Cast, register

LIST = reverse("admin:collectors_collector_changelist")
LIVE = reverse("admin:collectors_collector_live")
CHOICES = reverse("admin:collectors_collector_choices")
FILTERS = reverse("admin:collectors_collector_filters")
OLD = timezone.now() - timedelta(days=1)


def heard(collector: Collector, **values: Any) -> None:
    """Write what the last heartbeat said."""
    Heartbeat.objects.filter(pk=collector.pk).update(**{"status": "ONLINE", "last_heartbeat": timezone.now(), **values})


def names(client: Client, path: str = LIST, **query: Any) -> list[str]:
    """Return the names of the rows in their order."""
    return [row.name for row in client.get(path, query).context["cl"].result_list]


def cell(client: Client, collector: Collector, column: str) -> str:
    """Return one cell."""
    page = client.get(LIST, {"q": ""}).context["cl"]
    listed = next(listed for listed in page.listed if listed.row.pk == collector.pk)
    return str(next(c for c in page.columns if c.name == column).cell(listed))


# -- Live --------------------------------------------------------------------------------------------------------------


def test_the_rows_asked_for_again_are_those_of_the_page(cast: Cast, visit: Visit) -> None:
    for number in range(60):
        register(cast.shop, f"more-{number:02}", Engine.MYSQL)
    client = visit(cast.bob)
    for query in ({}, {"p": "2"}, {"o": "-name"}, {"q": "more-1"}, {"type__exact": "postgres"}):
        page = client.get(LIST, query).context["cl"]
        assert client.get(LIVE, query).content.decode() == page.rows


@pytest.mark.parametrize("who", ["root", "alice", "bob", "dave", "mallory"])
def test_the_rows_asked_for_again_are_ones_own(who: str, cast: Cast, visit: Visit) -> None:
    content = visit(getattr(cast, who)).get(LIVE).content.decode()
    seen = {name for name in ("shop-mysql", "warehouse-pg", "foreign-mysql") if name in content}
    expected = {
        "root": {"shop-mysql", "warehouse-pg", "foreign-mysql"},
        "alice": {"shop-mysql", "warehouse-pg"},
        "bob": {"shop-mysql"},
        "dave": {"warehouse-pg"},
        "mallory": {"foreign-mysql"},
    }
    assert seen == expected[who]


def test_a_user_gets_no_rows_and_a_stranger_is_sent_to_sign_in(cast: Cast, visit: Visit) -> None:
    for path in (LIVE, CHOICES, FILTERS):
        assert visit(cast.carol).get(path).status_code == 403
        assert Client().get(path).status_code == 302


def test_nothing_new_is_304_until_something_changes(cast: Cast, visit: Visit) -> None:
    heard(cast.collector)
    client = visit(cast.bob)
    version = client.get(LIST).context["cl"].version
    headers = {"If-None-Match": f'"{version}"'}
    again = client.get(LIVE, headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    assert "no-store" in again.headers["Cache-Control"]
    heard(cast.collector, status="ERROR")
    changed = client.get(LIVE, headers=headers)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != headers["If-None-Match"]
    # What nobody sees there changes nothing.
    headers = {"If-None-Match": changed.headers["ETag"]}
    heard(cast.warehouse_collector, status="ERROR")
    assert client.get(LIVE, headers=headers).status_code == 304


@pytest.mark.parametrize("query", ["p=x", "p=0", "p=99999999", "o=99.x", "q=%00", "unknown=1", "team__id__exact=x"])
def test_odd_addresses_are_answered_and_never_with_more(query: str, cast: Cast, visit: Visit) -> None:
    response = visit(cast.bob).get(f"{LIVE}?{query}")
    assert response.status_code in {200, 400}
    assert b"foreign-mysql" not in response.content
    assert b"warehouse-pg" not in response.content


def test_lists_cost_the_same_however_many_rows_there_are(cast: Cast, visit: Visit) -> None:
    def cost(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(path).status_code == 200
        return len(queries)

    request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    client = visit(cast.alice)
    few = {path: cost(path) for path in (LIST, LIVE)}
    for number in range(60):
        collector = register(cast.shop, f"more-{number:02}", Engine.MYSQL)[0]
        change_collector(collector=collector, tags=["a", "b"], actor=SOMEBODY)
        request_command(collector=collector, command=CommandType.COLLECT, actor=SOMEBODY)
    many = {path: cost(path) for path in (LIST, LIVE)}
    # One to count, once a page is full.
    assert (many[LIST] - few[LIST], many[LIVE] - few[LIVE]) == (1, 0)
    assert (many[LIST], many[LIVE]) == (19, 11)


# -- What a row tells --------------------------------------------------------------------------------------------------


def test_a_collector_is_late_before_it_is_offline(cast: Cast, visit: Visit) -> None:
    ControlPlane.objects.update(accepting_since=OLD)
    client = visit(cast.bob)
    for age, late in ((55, False), (65, True)):
        heard(cast.collector, last_heartbeat=timezone.now() - timedelta(seconds=age))
        assert ("late" in cell(client, cast.collector, "status")) is late
        assert (names(client, heartbeat__status__exact="LATE") == ["shop-mysql"]) is late
    for status in ("STOPPED", "OFFLINE"):
        heard(cast.collector, status=status, last_heartbeat=timezone.now() - timedelta(seconds=80))
        assert "late" not in cell(client, cast.collector, "status")
        assert names(client, heartbeat__status__exact="LATE") == []


def test_nobody_is_late_for_an_outage_of_the_control_plane(cast: Cast, visit: Visit) -> None:
    ControlPlane.objects.update(accepting_since=timezone.now() - timedelta(seconds=20))
    heard(cast.collector, last_heartbeat=timezone.now() - timedelta(seconds=80))
    client = visit(cast.bob)
    assert "late" not in cell(client, cast.collector, "status")
    assert names(client, heartbeat__status__exact="LATE") == []


def test_what_was_asked_is_shown_until_it_ended_and_a_little_longer(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    command = request_command(collector=cast.collector, command=CommandType.STOP, actor=SOMEBODY)
    assert "asked" in cell(client, cast.collector, "status")
    Command.objects.update(state="delivered")
    assert "delivered" in cell(client, cast.collector, "status")
    Command.objects.filter(pk=command.pk).update(state="failed", ended_at=timezone.now())
    assert "failed" in cell(client, cast.collector, "status")
    Command.objects.update(ended_at=timezone.now() - timedelta(seconds=limits.COMMAND_SHOWN_SECONDS + 1))
    assert "failed" not in cell(client, cast.collector, "status")


def test_queries_per_minute_are_shown_while_they_are_of_now(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    assert cell(client, cast.collector, "per_minute") == "-"
    now = timezone.now()
    QueryRate.objects.create(
        collector=cast.collector,
        organization_id=cast.example.pk,
        queries=1,
        since=now - timedelta(minutes=12),
        collected_at=now - timedelta(minutes=2),
        per_minute=1234.4,
    )
    assert "1,234<" in cell(client, cast.collector, "per_minute")
    QueryRate.objects.update(collected_at=now - timedelta(hours=1))
    assert cell(client, cast.collector, "per_minute") == "-"


def test_buttons_of_a_row_are_those_that_the_role_permits(cast: Cast, visit: Visit) -> None:
    # Bob leads a team here and is somebody else's USER: he sees no collector there, and no button.
    content = visit(cast.bob).get(LIVE).content.decode()
    for action in ("stop", "collect", "rotate_key_by_agent"):
        assert reverse("admin:collectors_collector_do", args=[cast.collector.pk, action]) in content
    assert reverse("admin:collectors_collector_do", args=[cast.collector.pk, "start"]) not in content


# -- Filters -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(cast: Cast) -> Cast:
    """Give the team a collector of every kind."""
    ControlPlane.objects.update(accepting_since=OLD)
    database = cast.collector.database
    Lease.objects.create(database=database, organization_id=cast.example.pk, holder=cast.collector, epoch=1)
    standby = register_collector(
        team=cast.shop, name="standby", engine=Engine.MYSQL, config={}, database=database, actor=SOMEBODY
    ).collector
    alone = register(cast.shop, "alone", Engine.POSTGRES)[0]
    change_collector(collector=alone, region="eu-1", tags=["prod", "gdpr"], actor=SOMEBODY)
    change_collector(collector=standby, region="us-1", tags=["prod"], actor=SOMEBODY)
    change_collector(collector=cast.foreign_collector, region="eu-1", tags=["prod", "secret"], actor=SOMEBODY)
    heard(cast.collector, version="1.0", spool={"data_age_seconds": 5}, errors_count=3, last_error_at=OLD)
    heard(alone, version="1.1", spool={"data_age_seconds": 5_000}, errors_count=1, last_error_at=timezone.now())
    Heartbeat.objects.filter(pk=alone.pk).update(clock_skew_seconds=-192.0)
    heard(standby, version="1.1", clock_skew_seconds=-2.0)
    heard(cast.foreign_collector, version="9.9")
    return cast


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tag": "prod"}, ["alone", "standby"]),
        ({"tag": "GDPR"}, ["alone"]),
        ({"tag": "secret"}, []),
        ({"region": "eu-1"}, ["alone"]),
        ({"version": "1.1"}, ["alone", "standby"]),
        ({"role": "active"}, ["shop-mysql"]),
        ({"role": "standby"}, ["standby"]),
        ({"role": "else"}, []),
        ({"errors": "any"}, ["alone", "shop-mysql"]),
        ({"errors": "day"}, ["alone"]),
        ({"clock": "wrong"}, ["alone"]),
        ({"data": "stale"}, ["alone"]),
        ({"tag": "prod", "role": "standby"}, ["standby"]),
        ({"q": "ALO"}, ["alone"]),
        ({"o": "-name"}, ["standby", "shop-mysql", "alone"]),
        ({"o": "-errors"}, ["shop-mysql", "alone", "standby"]),
        ({"o": "version"}, ["shop-mysql", "standby", "alone"]),
    ],
)
def test_the_list_is_narrowed_and_ordered(
    query: dict[str, str], expected: list[str], mixed: Cast, visit: Visit
) -> None:
    found = names(visit(mixed.bob), **query)
    assert found == expected if "o" in query else sorted(found) == sorted(expected)


def test_stale_by_the_database_is_stale_by_the_rule(mixed: Cast) -> None:
    now = timezone.now()
    for collector in Collector.objects.select_related("heartbeat", "database__lease"):
        limit = 60 * 2 * collector.collection_interval_minutes + 60
        for age, last in ((None, 0), (0, 0), (limit - 30, 20), (limit - 30, 40), (limit + 1, 0), (0, limit + 5)):
            spool = None if age is None else {"data_age_seconds": age}
            heard(collector, spool=spool, last_heartbeat=now - timedelta(seconds=last))
            collector.refresh_from_db()
            found = Collector.objects.stale(now=now).filter(pk=collector.pk).exists()
            assert found is (collector.is_data_fresh(now) is False), (collector.name, age, last)
        Heartbeat.objects.filter(pk=collector.pk).update(last_heartbeat=None)
        collector.refresh_from_db()
        found = Collector.objects.stale(now=now).filter(pk=collector.pk).exists()
        assert found is (collector.is_data_fresh(now) is False)


def test_active_filters_can_be_removed_one_by_one(mixed: Cast, visit: Visit) -> None:
    page = visit(mixed.bob).get(LIST, {"tag": "prod", "role": "standby", "q": "sta", "o": "-name"}).context["cl"]
    assert {(str(chip.title), chip.value): chip.without for chip in page.chips} == {
        ("Tag", "prod"): "?o=-name&q=sta&role=standby",
        ("Role", "standby"): "?o=-name&q=sta&tag=prod",
        ("Search", "sta"): "?o=-name&role=standby&tag=prod",
    }


@pytest.mark.parametrize(
    ("of", "term", "expected"),
    [
        ("tag", "", ["gdpr", "prod"]),
        ("tag", "PR", ["gdpr", "prod"]),
        ("tag", "se", []),
        ("region", "1", ["eu-1", "us-1"]),
        ("version", "", ["1.0", "1.1"]),
        ("team", "sho", ["Shop"]),
        ("team", "", ["Shop"]),
        ("organization", "", ["Example GmbH"]),
    ],
)
def test_completions_are_of_what_one_sees(of: str, term: str, expected: list[str], mixed: Cast, visit: Visit) -> None:
    found = visit(mixed.bob).get(CHOICES, {"of": of, "term": term}).json()["choices"]
    expected = [word for word in expected if of != "tag" or term.lower() in word]
    assert [choice["label"] for choice in found] == expected


@pytest.mark.parametrize("of", ["", "config", "api_key_hash", "heartbeat"])
def test_nothing_else_is_completed(of: str, cast: Cast, visit: Visit) -> None:
    assert visit(cast.root).get(CHOICES, {"of": of}).status_code == 404


def test_a_foreign_team_has_no_name_in_a_filter(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    for pk in (cast.foreign.pk, 999_999):
        page = client.get(LIST, {"team__id__exact": pk}).context["cl"]
        assert [chip.value for chip in page.chips] == [str(pk)]


# -- Counting ----------------------------------------------------------------------------------------------------------


def test_no_more_rows_are_counted_than_pages_are_turned(
    cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(108):
        register(cast.shop, f"more-{number:03}", Engine.MYSQL)
    client = visit(cast.bob)
    page = client.get(LIST).context["cl"]
    assert (page.how_many, page.pages["last"]) == ("109", 3)
    monkeypatch.setattr(limits, "MAX_COUNTED_ROWS", 100)
    page = client.get(LIST).context["cl"]
    assert (page.how_many, page.pages["last"], page.too_many) == ("100+", 2, True)
    assert client.get(LIST, {"p": 2}).context["cl"].pages["later"] == ""
    assert client.get(LIST, {"p": 3}).status_code == 302


def test_a_page_that_is_not_full_counts_itself(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    with CaptureQueriesContext(connection) as queries:
        client.get(LIST)
    assert not [query for query in queries if "COUNT(" in query["sql"] and '"collectors"' in query["sql"]]


# -- Acts --------------------------------------------------------------------------------------------------------------


def test_a_dangerous_act_is_asked_about_and_done_to_those_rows_alone(cast: Cast, visit: Visit) -> None:
    client = visit(cast.alice)
    form = {"action": "stop", "index": "0", "select_across": "1", "_selected_action": [cast.collector.pk], "ask": "1"}
    page = client.post(f"{LIST}?q=", form)
    assert not Command.objects.exists()
    assert (page.context["count"], [str(row) for row in page.context["named"]]) == (2, ["shop-mysql", "warehouse-pg"])
    again: dict[str, Any] = {}
    for name, value in page.context["again"]:
        again.setdefault(name, []).append(value)
    late = register(cast.shop, "came-later", Engine.MYSQL)[0]
    response = client.post(f"{LIST}?q=", again)
    assert response.headers["Location"] == f"{LIST}?q="
    assert set(Command.objects.values_list("collector_id", flat=True)) == {
        cast.collector.pk,
        cast.warehouse_collector.pk,
    }
    assert late.auto_collect


def test_stopping_can_be_undone_for_those_that_ran(cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visit(cast.alice)
    Collector.objects.filter(pk=cast.warehouse_collector.pk).update(auto_collect=False)
    form = {"action": "stop", "index": "0", "_selected_action": [cast.collector.pk, cast.warehouse_collector.pk]}
    client.post(LIST, form)
    other = reverse("admin:collectors_collector_do", args=[cast.warehouse_collector.pk, "collect"])
    assert client.post(other, headers={"X-DBPower-Live": "1"}).json()["undo"] is None
    offered = client.get(LIST).context["undo"]
    assert (offered["action"], offered["ids"]) == ("start", [cast.collector.pk])
    assert client.get(LIST).context["undo"] is None
    monkeypatch.setattr("collectors.admin.undo.LASTS_SECONDS", -1)
    Collector.objects.update(auto_collect=True)
    client.post(LIST, form)
    assert client.get(LIST).context["undo"] is None


def test_a_row_is_acted_on_without_leaving_the_list(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    stop = reverse("admin:collectors_collector_do", args=[cast.collector.pk, "stop"])
    answer = client.post(stop, headers={"X-DBPower-Live": "1"}).json()
    assert answer["messages"] == [{"level": "success", "text": "Asked to stop: shop-mysql."}]
    assert answer["undo"] == reverse("admin:collectors_collector_do", args=[cast.collector.pk, "start"])
    foreign = reverse("admin:collectors_collector_do", args=[cast.foreign_collector.pk, "stop"])
    absent = reverse("admin:collectors_collector_do", args=[999_999, "stop"])
    told = [client.post(path, headers={"X-DBPower-Live": "1"}).json() for path in (foreign, absent)]
    assert [answer["undo"] for answer in told] == [None, None]
    assert str(told[0]).replace(str(cast.foreign_collector.pk), "N") == str(told[1]).replace("999999", "N")
    response = client.post(stop, {"list": "tag=x&p=2"})
    assert response.headers["Location"] == f"{LIST}?tag=x&p=2"


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "\r\nSet-Cookie: x=1"])
def test_an_act_leads_nowhere_but_back_to_the_list(back: str, cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_collector_do", args=[cast.collector.pk, "collect"])
    location = visit(cast.bob).post(path, {"list": back}).headers["Location"]
    assert location.startswith(f"{LIST}?")
    assert "\r" not in location


def test_labels_are_edited_on_the_page_of_a_collector(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    path = reverse("admin:collectors_collector_change", args=[cast.collector.pk])
    form = {
        "name": "shop-mysql",
        "collection_interval_minutes": 5,
        "db_host": "127.0.0.1",
        "db_user": "dbpower",
        "region": "EU-1",
        "tags": "Prod, billing  gdpr",
    }
    assert client.post(path, form).status_code == 302
    collector = Collector.objects.get(pk=cast.collector.pk)
    assert (collector.region, [row.tag for row in collector.tags.all()]) == ("eu-1", ["billing", "gdpr", "prod"])
    assert b'value="billing, gdpr, prod"' in client.get(path).content
    assert b"A label is one word" in client.post(path, {**form, "region": "two words"}).content


def test_labels_are_given_where_a_collector_or_a_token_for_many_is_made(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    made = {"team": cast.shop.pk, "name": "new", "type": "mysql", "region": "EU-1", "tags": "Prod, billing"}
    path = reverse("admin:collectors_collector_add")
    assert b'data-dbpower-complete="tag"' in client.get(path).content
    assert b"A label is one word" in client.post(path, {**made, "collection_interval_minutes": 5, "tags": "/"}).content
    client.post(path, {**made, "collection_interval_minutes": 5})
    collector = Collector.objects.get(name="new")
    assert (collector.region, [row.tag for row in collector.tags.all()]) == ("eu-1", ["billing", "prod"])
    path = reverse("admin:collectors_enrolmenttoken_add")
    client.post(path, {**made, "max_uses": 2, "hours": 1})
    token = EnrolmentToken.objects.get(name="new")
    assert (token.region, token.tags) == ("eu-1", ["billing", "prod"])
    shown = client.get(reverse("admin:collectors_enrolmenttoken_change", args=[token.pk])).content.decode()
    assert "billing, prod" in shown
