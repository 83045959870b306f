"""Whatever is sent: a 4xx in the one error shape, and nothing has changed. What only agents send: `test_bad_agent_input.py`."""

import json
from typing import Any

import pytest
from django.apps import apps

from collectors.domain import limits
from collectors.models import AuditEntry, Heartbeat
from tests.api.callers import ANYBODY, Caller, caller, content_of, is_error, signed_in
from tests.api.routes import ROUTES, Route, Things

pytestmark = pytest.mark.django_db

WITH_BODY = [route for route in ROUTES if route.method in {"POST", "PATCH"}]

UNREADABLE: dict[str, bytes] = {
    "not JSON": b"{",
    "deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep list": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a little too deep": b'{"a":' + b"[" * 25 + b"]" * 25 + b"}",
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "1e999": b'{"name": 1e999}',
    "40 digits": b'{"name": ' + b"9" * 40 + b"}",
    "5000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "NUL": b'{"name": "a\\u0000b"}',
    "NUL in a name": b'{"a\\u0000b": 1}',
    "surrogate": b'{"name": "a\\ud800b"}',
    "array": b"[]",
    "null": b"null",
    "text": b'"x"',
    "number": b"1",
    "a name twice": b'{"name": "a", "name": "b"}',
    "BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "not UTF-8": b'{"name": "\xff"}',
    "two objects": b"{}{}",
    "white space": b"   ",
}


def permitted(route: Route, prepared: Things) -> Caller:
    """Return a caller whom the route would let in."""
    return caller(prepared.cast, "key" if route.for_agents else "root")


def everything() -> dict[str, Any]:
    """Return a count of every table, and the heartbeats, to see that nothing changed.

    That something was refused is meant to be kept, and that a key was used.
    """
    kept: dict[str, Any] = {model.__name__: model._default_manager.count() for model in apps.get_models()}
    kept["AuditEntry"] = AuditEntry.objects.exclude(action__endswith=".refused").count()
    told = [field.name for field in Heartbeat._meta.fields if not field.name.startswith(("key_", "other_key_"))]
    kept["heartbeats"] = list(Heartbeat.objects.order_by("pk").values(*told))
    return kept


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_a_body_that_cannot_be_read_is_400_and_changes_nothing(route: Route, prepared: Things) -> None:
    sender, path = permitted(route, prepared), route.path(prepared.ids)
    before = everything()
    for what, content in UNREADABLE.items():
        answer = sender.send(route.method, path, content)
        assert (answer.status_code, is_error(answer)) == (400, True), what
    assert everything() == before


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_a_body_of_another_type_or_encoding_is_415(route: Route, prepared: Things) -> None:
    sender, path = permitted(route, prepared), route.path(prepared.ids)
    before = everything()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x"):
        answer = sender.send(route.method, path, b"name=a", content_type=content_type)
        assert (answer.status_code, is_error(answer)) == (415, True), content_type
    for encoding in ("br", "deflate", "gzip, gzip", "ZSTD"):
        answer = sender.send(route.method, path, b"{}", headers={"Content-Encoding": encoding})
        assert (answer.status_code, is_error(answer)) == (415, True), encoding
    assert everything() == before


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_a_body_that_is_too_large_is_413(route: Route, prepared: Things) -> None:
    sender, path = permitted(route, prepared), route.path(prepared.ids)
    size = limits.MAX_DECOMPRESSED_BYTES if route.template == "queries/bulk" else limits.MAX_BODY_BYTES
    before = everything()
    answer = sender.send(route.method, path, json.dumps({"name": "x" * size}).encode())
    assert (answer.status_code, is_error(answer)) == (413, True)
    assert everything() == before


def wrong(member: str, value: Any) -> list[Any]:
    """Return values that are wrong for a member that takes `value`."""
    if isinstance(value, bool):
        return [2, "maybe", [], {}]
    if isinstance(value, int):
        return [True, -1, 2**63, 10**24, "x", 1.5, [], {}, [1]]
    if isinstance(value, str):
        return [True, [], {}, "x" * 5000, None, *([] if member == "current_password" else [""])]
    return [True, 5, "x", [1], None] if isinstance(value, dict) else []


# Members that take anything, and bodies of which nothing is read.
FREE = {"result", "refresh"}


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_each_member_that_is_missing_or_wrong_is_a_4xx_and_changes_nothing(route: Route, prepared: Things) -> None:
    sender, path = permitted(route, prepared), route.path(prepared.ids)
    assert route.body is not None
    body = route.body(prepared)
    before = everything()
    for member in sorted(set(body) - FREE):
        for value in wrong(member, body[member]):
            if (member == "stats" and value is None) or (route.template == "users/{id}" and value == ""):
                continue  # No numbers, and nobody's name, may be said so.
            answer = sender.send(route.method, path, {**body, member: value})
            assert answer.status_code in (400, 401), (member, value, answer.content)
            assert is_error(answer), (member, value)
    assert everything() == before


OPTIONAL = {"collectors/register": {"config"}, "memberships": {"team_id"}}


@pytest.mark.parametrize(
    "route", [route for route in WITH_BODY if route.method == "POST" and route.answers["root"] == 201], ids=str
)
def test_what_is_required_to_create_is_named_when_it_is_missing(route: Route, prepared: Things) -> None:
    sender, path = permitted(route, prepared), route.path(prepared.ids)
    assert route.body is not None
    body = route.body(prepared)
    for member in set(body) - OPTIONAL.get(route.template, set()):
        rest = {name: value for name, value in body.items() if name != member}
        answer = sender.post(path, rest)
        assert answer.status_code == 400, member
        named = content_of(answer)["errors"]
        assert member in named or (member == "email" and "user_id" in named), member


PROTECTED = {
    "collectors/{id}": ["id", "organization_id", "team_id", "database_id", "status", "is_online", "api_key", "api_key_hash",
                        "last_heartbeat", "queries_collected", "config_version", "auto_collect", "type"],
    "collectors/register": ["id", "organization_id", "status", "api_key", "api_key_hash", "auto_collect"],
    "users": ["id", "is_superuser", "created_at", "role"],
    "users/{id}": ["id", "is_superuser", "is_staff", "created_at"],
    "teams": ["id", "created_at"],
    "teams/{id}": ["id", "organization_id", "created_at"],
    "memberships/{id}": ["user_id", "organization_id", "team_id", "email", "id"],
    "organizations": ["id", "created_at"],
    "organizations/{id}": ["id", "created_at"],
    "databases/{id}": ["id", "type", "team_id", "organization_id", "last_epoch"],
}  # fmt: skip


@pytest.mark.parametrize("route", [route for route in WITH_BODY if route.template in PROTECTED], ids=str)
def test_members_that_cannot_be_set_are_refused_by_name(route: Route, prepared: Things) -> None:
    sender, path = permitted(route, prepared), route.path(prepared.ids)
    assert route.body is not None
    body = route.body(prepared)
    before = everything()
    for member in [*PROTECTED[route.template], "no_such_member"]:
        answer = sender.send(route.method, path, {**body, member: 1})
        assert answer.status_code == 400, member
        assert list(content_of(answer)["errors"]) == [member]
    assert everything() == before


def test_a_wrong_member_of_a_configuration_is_named_with_its_path(prepared: Things) -> None:
    root = signed_in(prepared.cast.root)
    config = {"port": 70_000, "tls": {"mode": "sometimes"}, "service": "x"}
    answer = root.patch(f"collectors/{prepared.ids['collectors']}", {"config": config})
    assert list(content_of(answer)["errors"]) == ["config.service"]
    del config["service"]
    answer = root.patch(f"collectors/{prepared.ids['collectors']}", {"config": config})
    assert sorted(content_of(answer)["errors"]) == ["config.port", "config.tls.mode"]


@pytest.mark.parametrize(
    "member", ["service", "passfile", "options", "local_infile", "read_default_file", "unix_socket", "ssl"]
)
def test_a_configuration_takes_nothing_that_a_driver_would_obey(member: str, prepared: Things) -> None:
    answer = signed_in(prepared.cast.root).patch(
        f"collectors/{prepared.ids['collectors']}", {"config": {member: "/etc/passwd"}}
    )
    assert answer.status_code == 400


NAMES = [
    "🐘",
    "a\u202eb",
    "a\u200bb",
    "</script><b>",
    "{{7*7}}",
    "=1+1",
    "a\r\nb",
    "x" * 200,
    "'; DROP TABLE teams; --",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_data(name: str, prepared: Things) -> None:
    root = signed_in(prepared.cast.root)
    answer = root.patch(f"teams/{prepared.ids['teams']}", {"name": name})
    assert answer.status_code == 200
    assert content_of(root.get(f"teams/{prepared.ids['teams']}"))["name"] == name
    assert content_of(root.get("teams", QUERY_STRING="search=x"))["count"] >= 0


QUERY_STRINGS = [
    "page=0", "page=-1", "page=x", "page=99999999999999999999", "page=3000", "page=%00", "page_size=x", "page_size=-1",
    "page_size=999999999999999999999", "ordering=password", "ordering=user__password", "ordering=,,,", "ordering=%00",
    "search=%00", "search=" + "a+" * 500, "search=" + "x" * 5000, "search=%ff", "search=%ED%A0%80", "search='", 'search="a',
    "id=x", "team_id=x", "team_id=1.5", "team_id=1e999999999", "team_id=NaN", "team_id=-1", "team_id=" + "9" * 400,
    "organization_id=%00", "organization_id=99999999999999999999", "user_id=9999999999999999999999999", "object_id=1e40",
    "status=BROKEN", "state=x", "type=oracle", "role=KING", "auto_collect=perhaps", "since=yesterday", "since=%00",
    "since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00", "until=0001-01-01T00:00:00Z", "since=2026-01-01",
    "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "fingerprint_id=%00", "database_id=x", "database_id=%00",
    "user=%00", "format=xml", "format=%00", "action=%00", "a" * 3000 + "=1",
]  # fmt: skip


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.answers["root"] == 200 and route.method == "GET"], ids=str
)
def test_no_query_string_breaks_a_list(route: Route, prepared: Things) -> None:
    root, path = signed_in(prepared.cast.root), route.path(prepared.ids)
    for query in QUERY_STRINGS:
        answer = root.get(path, QUERY_STRING=query)
        assert answer.status_code in (200, 400, 404), query
        assert answer.status_code == 200 or is_error(answer), query


@pytest.mark.parametrize("host", ["evil.example", "localhost:99999x", "a b"])
def test_a_request_for_another_host_is_refused_in_the_one_shape(host: str, db: None) -> None:
    answer = ANYBODY.get("collectors", HTTP_HOST=host)
    assert (answer.status_code, is_error(answer)) == (400, True)


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/nothing", "/api/v1/collectors/x", "/api/v1/collectors/-1", "/api/v1/"]
)
def test_an_address_that_does_not_exist_is_404_in_the_one_shape(path: str, db: None) -> None:
    answer = ANYBODY.get(path)
    assert (answer.status_code, is_error(answer)) == (404, True)
