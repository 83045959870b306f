"""No answer shows or implies anything of another tenant."""

import json

import pytest

from collectors.domain.roles import Role
from collectors.models import AuditEntry, Collector, Membership, MonitoredDatabase, SlowQuery, StatusChange, User
from tests.api.callers import PEOPLE, content_of, signed_in
from tests.api.routes import ROUTES, Things
from tests.cast import Cast, person
from tests.services.uploading import send, slow_log, slow_query

pytestmark = pytest.mark.django_db
LISTS = [route.template for route in ROUTES if route.method == "GET" and "{" not in route.template]


def listed(cast: Cast, name: str, path: str) -> list[object]:
    content = content_of(signed_in(getattr(cast, name)).get(path))
    plural = next(
        member for member in content if member not in {"count", "next", "previous", "since", "until", "completeness"}
    )
    rows = content[plural]
    assert content["count"] == len(rows)
    return [row.get("name") or row.get("email") or row.get("id") for row in rows]


@pytest.mark.parametrize(
    ("name", "collectors", "teams", "users"),
    [
        ("root", 3, 3, 6),
        ("alice", 2, 2, 4),
        ("bob", 1, 1, 2),
        ("carol", 0, 1, 0),
        ("dave", 1, 1, 1),
        ("mallory", 1, 1, 1),
    ],
)
def test_lists_hold_what_the_caller_may_see(cast: Cast, name: str, collectors: int, teams: int, users: int) -> None:
    counts = tuple(len(listed(cast, name, path)) for path in ("collectors", "teams", "users"))
    assert counts == (collectors, teams, users)


def test_nothing_of_another_organization_stands_in_any_list(prepared: Things) -> None:
    cast = prepared.cast
    send(cast.foreign_collector, slow_log(0, 1, queries=[slow_query(fingerprint="select secret_of_sample")]))
    foreign = ["foreign-mysql", "Sample Srl", "mallory@", "secret_of_sample"]
    for path in LISTS:
        for name in ("alice", "bob", "carol", "dave"):
            answer = signed_in(getattr(cast, name)).get(path)
            assert answer.status_code == 200
            assert not [word for word in foreign if word in answer.content.decode()], (path, name)
    assert "secret_of_sample" in signed_in(cast.mallory).get("queries").content.decode()


@pytest.mark.parametrize(
    "path", ["collectors", "teams", "databases", "memberships", "audit", "queries", "slow-queries"]
)
def test_a_filter_by_a_foreign_id_is_answered_like_one_by_an_absent_id(prepared: Things, path: str) -> None:
    cast = prepared.cast
    mallory = signed_in(cast.mallory)
    ids = {"organization_id": cast.example.pk, "team_id": cast.shop.pk, "user_id": cast.bob.pk}
    ids["database_id"] = cast.collector.database_id
    for member, number in ids.items():
        own = content_of(mallory.get(path))["count"]
        foreign = mallory.get(path, QUERY_STRING=f"{member}={number}")
        absent = mallory.get(path, QUERY_STRING=f"{member}=999999999")
        assert foreign.status_code == absent.status_code == 200, member
        assert content_of(foreign)["count"] == content_of(absent)["count"] in (0, own), member


def test_a_foreign_id_in_a_body_is_answered_like_an_absent_one(cast: Cast) -> None:
    mallory = signed_in(cast.mallory)
    absent = 10**9
    bodies = [
        ("teams", {"name": "x", "organization_id": cast.example.pk}, "organization_id"),
        ("collectors/register", {"name": "x", "type": "mysql", "team_id": cast.shop.pk}, "team_id"),
        (
            "collectors/register",
            {"name": "x", "type": "mysql", "team_id": cast.foreign.pk, "database_id": cast.collector.database_id},
            "database_id",
        ),
        (
            "memberships",
            {"email": "x@example.org", "organization_id": cast.sample.pk, "team_id": cast.shop.pk, "role": "USER"},
            "team_id",
        ),
        (
            "memberships",
            {"user_id": cast.bob.pk, "organization_id": cast.sample.pk, "team_id": cast.foreign.pk, "role": "USER"},
            "user_id",
        ),
    ]
    for path, body, member in bodies:
        foreign = mallory.post(path, body)
        missing = mallory.post(path, {**body, member: absent})
        assert (foreign.status_code, foreign.content) == (400, missing.content), (path, member)
        assert list(content_of(foreign)["errors"]) == [member]


def test_a_team_lead_cannot_reach_another_team_of_the_organization(cast: Cast) -> None:
    bob = signed_in(cast.bob)
    body = {"name": "x", "type": "postgres", "team_id": cast.warehouse.pk}
    assert bob.post("collectors/register", body).status_code == 400
    body = {**body, "team_id": cast.shop.pk, "database_id": cast.warehouse_collector.database_id}
    assert bob.post("collectors/register", body).status_code == 400
    assert Collector.objects.count() == 3


def test_a_collector_joins_a_database_of_its_own_team_and_type_only(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    shop = {"name": "x", "type": "mysql", "team_id": cast.shop.pk, "database_id": cast.collector.database_id}
    assert alice.post("collectors/register", {**shop, "type": "postgres"}).status_code == 400
    assert alice.post("collectors/register", {**shop, "team_id": cast.warehouse.pk}).status_code == 400
    assert alice.post("collectors/register", shop).status_code == 201
    assert MonitoredDatabase.objects.count() == 3


def test_whoever_has_different_roles_in_two_organizations_has_each_where_it_holds(cast: Cast) -> None:
    Membership.objects.create(user=cast.alice, organization=cast.sample, team=cast.foreign, role=Role.USER)
    alice = signed_in(cast.alice)
    assert alice.get(f"collectors/{cast.foreign_collector.pk}").status_code == 404
    assert alice.patch(f"teams/{cast.foreign.pk}", {"name": "x"}).status_code == 403
    assert alice.post("teams", {"name": "x", "organization_id": cast.sample.pk}).status_code == 403
    body = {"name": "x", "type": "mysql", "team_id": cast.foreign.pk}
    assert alice.post("collectors/register", body).status_code == 403
    assert alice.patch(f"organizations/{cast.sample.pk}", {"name": "x"}).status_code == 403
    assert alice.get(f"databases/{cast.foreign_collector.database_id}").status_code == 200
    names = {row["name"] for row in content_of(alice.get("organizations"))["organizations"]}
    assert names == {"Example GmbH", "Sample Srl"}
    actors = content_of(alice.get("audit"))["entries"]
    assert {entry["organization_id"] for entry in actors} == {cast.example.pk}


def test_adding_somebody_says_nothing_of_whether_the_address_was_known(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    names = {"organization_id": cast.example.pk, "team_id": cast.shop.pk, "role": "USER"}
    answers = [
        alice.post("memberships", {"email": email, **names}) for email in ("mallory@example.net", "x@example.net")
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    contents = [content_of(answer) for answer in answers]
    assert [set(content["invitation"]) for content in contents] == [{"id", "url", "expires_at"}] * 2
    assert [(content["id"], content["user_id"]) for content in contents] == [(None, None)] * 2
    differing = {"email", "created_at", "invitation"}
    shapes = [{name: value for name, value in content.items() if name not in differing} for content in contents]
    assert shapes[0] == shapes[1]
    assert {len(content["invitation"]["url"]) for content in contents} == {len(contents[0]["invitation"]["url"])}
    found = content_of(alice.get("users"))["users"]
    assert "mallory@example.net" not in {user["email"] for user in found}, "nobody is shown before they accept"
    assert not Membership.objects.filter(user=cast.mallory, organization=cast.example).exists()
    assert not User.objects.filter(email="x@example.net").exists()


def test_somebody_who_belongs_to_the_organization_gets_the_role_at_once(cast: Cast) -> None:
    names = {"organization_id": cast.example.pk, "team_id": cast.warehouse.pk, "role": "USER"}
    answer = signed_in(cast.alice).post("memberships", {"email": "BOB@example.org", **names})
    assert (answer.status_code, content_of(answer)["user_id"], content_of(answer)["invitation"]) == (
        201,
        cast.bob.pk,
        None,
    )


def test_an_account_that_somebody_squatted_gets_in_by_its_own_link_alone_whoever_names_it(cast: Cast) -> None:
    # Mallory took the address by a link of Sample Srl; Alice sees it there among the users.
    squatted = person("ceo@example.org", Role.USER, cast.sample, cast.foreign)
    Membership.objects.create(user=cast.alice, organization=cast.sample, team=cast.foreign, role=Role.TEAM_LEAD)
    names = {"organization_id": cast.example.pk, "role": "ORG_ADMIN"}
    for caller, named in (
        ("root", {"email": squatted.email}),
        ("alice", {"email": squatted.email}),
        ("alice", {"user_id": squatted.pk}),
    ):
        answer = content_of(signed_in(getattr(cast, caller)).post("memberships", {**named, **names}))
        assert (answer["id"], answer["user_id"], answer["invitation"] is None) == (None, None, False), caller
    assert not Membership.objects.filter(user=squatted, organization=cast.example).exists()
    answer = content_of(signed_in(cast.root).post("memberships", {"user_id": squatted.pk, **names}))
    assert (answer["user_id"], answer["invitation"]) == (squatted.pk, None)


def test_who_asked_for_a_command_is_named_to_those_who_see_that_person_alone(cast: Cast) -> None:
    path = f"collectors/{cast.collector.pk}"
    for user in (cast.root, cast.alice, cast.bob):
        signed_in(user).post(f"{path}/collect")
    asked = {
        name: [
            row["requested_by_id"]
            for row in content_of(signed_in(getattr(cast, name)).get(f"{path}/commands"))["commands"]
        ]
        for name in ("root", "alice", "bob")
    }
    root, alice, bob = cast.root.pk, cast.alice.pk, cast.bob.pk
    assert asked == {"root": [bob, alice, root], "alice": [bob, alice, None], "bob": [bob, None, None]}
    oldest = content_of(signed_in(cast.bob).get(f"{path}/commands"))["commands"][-1]["id"]
    cancelled = content_of(signed_in(cast.bob).post(f"{path}/commands/{oldest}/cancel"))
    assert (cancelled["state"], cancelled["requested_by_id"]) == ("cancelled", None)


def test_the_state_of_an_account_is_super_admins_to_see(cast: Cast) -> None:
    path = f"users/{cast.bob.pk}"
    assert set(content_of(signed_in(cast.alice).get(path))) == {"id", "email", "name"}
    assert set(content_of(signed_in(cast.root).get(path))) == {"id", "email", "name", "is_active", "created_at"}


def test_an_org_admin_can_neither_change_accounts_nor_make_a_super_admin(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    assert alice.patch(f"users/{cast.carol.pk}", {"password": "quite another phrase"}).status_code == 403
    assert alice.patch(f"users/{cast.alice.pk}", {"email": "root2@example.org"}).status_code == 403
    body = {"email": "x@example.org", "organization_id": cast.example.pk, "role": "SUPER_ADMIN"}
    assert alice.post("memberships", body).status_code == 400


def test_the_last_administrator_cannot_leave(cast: Cast) -> None:
    own = Membership.objects.get(user=cast.alice)
    answer = signed_in(cast.alice).delete(f"memberships/{own.pk}")
    assert (answer.status_code, content_of(answer)["code"]) == (400, "last_admin")


@pytest.mark.parametrize("name", PEOPLE)
def test_no_answer_has_a_secret(prepared: Things, name: str) -> None:
    cast = prepared.cast
    person = signed_in(getattr(cast, name))
    root = signed_in(cast.root)
    root.patch(f"collectors/{cast.collector.pk}", {"config": {"host": "db2", "password": "canary-new"}})
    hashes = [
        value for value in Collector.objects.values_list("api_key_hash", "previous_key_hash", "config")[0] if value
    ]
    secrets = [*hashes, cast.key, cast.key.split("_", 2)[2], "canary", cast.root.password, "password_hash"]
    for route in ROUTES:
        if route.method == "GET":
            text = person.get(route.path(prepared.ids)).content.decode()
            assert not [secret for secret in secrets if secret in text], route
    answers = [
        person.post(
            "collectors/register",
            {"name": "c", "type": "mysql", "team_id": cast.shop.pk, "config": {"password": "canary-3"}},
        ),
        person.patch(f"collectors/{cast.collector.pk}", {"config": {"password": "canary-4"}}),
        person.patch(f"collectors/{cast.collector.pk}", {"config": {"password": ["canary-5"]}}),
    ]
    assert all("canary" not in answer.content.decode() for answer in answers)


def test_the_audit_has_every_change_and_no_secret(cast: Cast) -> None:
    alice = signed_in(cast.alice)
    alice.patch(f"collectors/{cast.collector.pk}", {"config": {"host": "db9", "password": "canary-9"}})
    alice.post(f"collectors/{cast.collector.pk}/rotate-key")
    alice.post(f"collectors/{cast.collector.pk}/stop")
    entries = content_of(alice.get("audit"))["entries"]
    assert [entry["action"] for entry in entries[:3]] == ["command.stop", "collector.rotate_key", "collector.change"]
    assert {entry["actor"] for entry in entries[:3]} == {"alice@example.org"}
    assert {entry["address"] for entry in entries[:3]} == {"127.0.0.1"}
    assert entries[2]["after"] == {"config": {"host": "db9", "password": "changed"}}
    everything = json.dumps(list(AuditEntry.objects.values()), default=str)
    assert "canary" not in everything


def test_rows_of_one_collector_are_not_those_of_another(prepared: Things) -> None:
    cast = prepared.cast
    alice = signed_in(cast.alice)
    other = f"collectors/{cast.warehouse_collector.pk}/commands"
    assert content_of(alice.get(other))["count"] == 0
    assert alice.get(f"{other}/{prepared.ids['commands']}").status_code == 404
    assert alice.post(f"{other}/{prepared.ids['commands']}/cancel").status_code == 404
    changes = content_of(alice.get(f"collectors/{cast.collector.pk}/status-changes"))["status_changes"]
    assert [row["id"] for row in changes] == [StatusChange.objects.get(collector=cast.collector).pk]
    assert SlowQuery.objects.count() == 1
