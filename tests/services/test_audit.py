"""Every act of somebody is in the audit, in its own transaction, and says what was changed; what is refused is there as well."""

import contextlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from django.apps import apps
from django.db.models.functions import Now

from collectors import services
from collectors.domain import acts, limits
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.domain.liveness import Status
from collectors.domain.personal_tokens import TokenScope
from collectors.domain.roles import Role
from collectors.domain.sources import Engine
from collectors.models import (
    AuditEntry,
    Fingerprint,
    Heartbeat,
    Invitation,
    Lease,
    LoginSession,
    LoginThrottle,
    Membership,
    MonitoredDatabase,
    Organization,
    SavedFilter,
    Team,
    User,
)
from collectors.services import (
    audit,
    collector_keys,
    collectors,
    commands,
    databases,
    enrolments,
    fingerprint_notes,
    invitations,
    key_failures,
    ledger_audits,
    list_views,
    login_throttles,
    logins,
    offers,
    people,
    personal_tokens,
    plan_requests,
    reencryption,
    restores,
    second_factors,
)
from collectors.services.errors import Refused
from tests.authenticator import Authenticator, with_second_factor
from tests.cast import PASSWORD, SOMEBODY, Cast, enrolment_token
from tests.plannable import plannable

pytestmark = pytest.mark.django_db
WEEK = timedelta(days=7)
HERE = Actor(label="anonymous", address="192.0.2.1")
Act = Callable[[], Any]

# By function: what prepares for a call of it, and returns that call.
CALLS: dict[str, Callable[[Cast], Act]] = {}
# Those that write for others what these tell them; their tests are below and in test_key_failures.py.
WRITERS: Final = {"audit.record", "audit.record_refusal", "audit.record_refused_act"}


def call(function: Callable[..., Any]) -> Callable[[Callable[[Cast], dict[str, Any]]], None]:
    """Put a call of the function into the table, with the members that the decorated preparation returns."""

    def decorate(prepare: Callable[[Cast], dict[str, Any]]) -> None:
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        CALLS[name] = lambda cast: partial(function, **{"actor": SOMEBODY, **prepare(cast)})

    return decorate


def invited(cast: Cast, email: str) -> invitations.Invited:
    return invitations.invite(
        organization=cast.example, team=cast.shop, role=Role.USER, email=email, actor=Actor("bob", user_id=cast.bob.pk)
    )


def logged_in(cast: Cast) -> LoginSession:
    return logins.open_login(user=cast.bob, refresh_id="a" * 32, lifetime=WEEK, actor=HERE)


def known(cast: Cast) -> Fingerprint:
    return Fingerprint.objects.create(organization=cast.example, fingerprint_id="a" * 16, text="select ?")


def saved(cast: Cast) -> SavedFilter:
    return list_views.save_filter(user=cast.bob, name="mine", query="errors=any", is_default=True, actor=SOMEBODY)


def heard(cast: Cast) -> dict[str, Any]:
    Heartbeat.objects.filter(pk=cast.collector.pk).update(status=Status.ONLINE, last_heartbeat=Now())
    database = cast.collector.database
    Lease.objects.create(database=database, holder=cast.collector, organization_id=database.organization_id, epoch=1)
    return {"database": cast.collector.database}


def abandoned(cast: Cast) -> dict[str, Any]:
    cast.collector.delete()
    return {"database": MonitoredDatabase.objects.get(team=cast.shop)}


def empty_team(cast: Cast) -> dict[str, Any]:
    return {"team": Team.objects.create(organization=cast.example, name="Empty")}


def exhausted(cast: Cast) -> dict[str, Any]:
    for _ in range(limits.LOGIN_ATTEMPTS_PER_PAIR):
        login_throttles.admit(account=cast.bob.email, address=HERE.address)
    return {"account": cast.bob.email, "actor": HERE}


def asked_for_code(cast: Cast) -> dict[str, Any]:
    with_second_factor(cast.bob)
    return {"user": cast.bob, "code": ""}


def beginner(cast: Cast) -> dict[str, Any]:
    second_factors.begin(user=cast.bob, actor=SOMEBODY)
    secret = second_factors.unconfirmed_secret(user=cast.bob)
    return {"user": cast.bob, "code": Authenticator(secret or "").code()}


def factor_of_bob(cast: Cast, **members: Any) -> dict[str, Any]:
    app = with_second_factor(cast.bob)
    return {"user": cast.bob, **({"code": app.recovery_codes[0]} if "code" in members else {})}


def personal(cast: Cast) -> dict[str, Any]:
    return {"user": cast.bob, "name": "script", "scopes": [TokenScope.READ], "days": 1}


_new = {"name": "new", "engine": Engine.MYSQL}
_config = {"host": "db", "user": "u", "password": "canary-new-password"}
_role = {"role": Role.USER}

call(collector_keys.request_rotation)(lambda cast: {"collector": cast.collector})
call(collector_keys.revoke)(lambda cast: {"collector": cast.collector})
call(collectors.change_collector)(lambda cast: {"collector": cast.collector, "name": "n", "config": _config})
call(collectors.create_collector)(lambda cast: {"team": cast.shop, **_new})
call(collectors.register_collector)(lambda cast: {"team": cast.shop, "config": _config, **_new})
call(collectors.delete_collector)(lambda cast: {"collector": cast.collector})
call(collectors.rotate_key)(lambda cast: {"collector": cast.collector})
call(commands.request_command)(lambda cast: {"collector": cast.collector, "command": CommandType.STOP})
call(commands.cancel_command)(lambda cast: {"command": CALLS["commands.request_command"](cast)()})
call(databases.rename_database)(lambda cast: {"database": cast.collector.database, "name": "n"})
call(databases.delete_database)(abandoned)
call(enrolments.create_token)(
    lambda cast: {"team": cast.shop, "name": "t", "engine": Engine.MYSQL, "max_uses": 1, "lifetime": WEEK}
)
call(enrolments.revoke_token)(lambda cast: {"token": enrolment_token(cast.shop).row})
call(invitations.accept)(lambda cast: {"token": invited(cast, "n@example.org").token, "password": PASSWORD})
call(invitations.accept_as)(lambda cast: {"token": invited(cast, cast.mallory.email).token, "user": cast.mallory})
call(invitations.give)(
    lambda cast: {"organization": cast.example, "team": cast.shop, "email": "n@example.org", **_role}
)
call(invitations.invite)(
    lambda cast: {"organization": cast.example, "team": cast.shop, "email": "n@example.org", **_role}
)
call(invitations.revoke)(lambda cast: {"invitation": invited(cast, "n@example.org").row})
call(key_failures.note_refused)(lambda _cast: {"refused": "token", "path": "/"})
call(ledger_audits.request_audit)(heard)
call(logins.admit)(exhausted)
call(logins.check_credentials)(lambda cast: {"email": cast.bob.email, "password": "wrong"})
call(logins.check_own_password)(lambda cast: {"user": cast.bob, "password": "wrong"})
call(logins.open_login)(lambda cast: {"user": cast.bob, "refresh_id": "b" * 32, "lifetime": WEEK})
call(logins.end_login)(lambda cast: {"session": logged_in(cast)})
call(logins.rotate)(
    lambda cast: {"session": logged_in(cast), "presented": "b" * 32, "replacement": "c" * 32, "lifetime": WEEK}
)
call(logins.record_ended)(lambda cast: {"user": cast.bob})
call(logins.record_opened)(lambda cast: {"user": cast.bob, "way": "console", "second_factor": False})
call(logins.record_password_proven)(lambda cast: {"user": cast.bob})
call(logins.record_refused)(lambda cast: {"email": cast.bob.email})
call(offers.withdraw_of)(
    lambda cast: {"user": cast.bob, "organization": invited(cast, "n@example.org").row.organization}
)
call(offers.withdraw_in)(lambda cast: {"place": invited(cast, "n@example.org").row.team})
call(offers.revoke_invitations)(
    lambda cast: {"rows": Invitation.objects.filter(pk=invited(cast, "n@example.org").row.pk)}
)
call(people.add_membership)(
    lambda cast: {"organization": cast.example, "team": cast.warehouse, "user": cast.bob, **_role}
)
call(people.change_membership)(lambda cast: {"membership": Membership.objects.get(user=cast.bob), **_role})
call(people.remove_membership)(lambda cast: {"membership": Membership.objects.get(user=cast.bob)})
call(people.change_organization)(lambda cast: {"organization": cast.example, "second_factor_required": True})
call(people.create_organization)(lambda _cast: {"name": "Another"})
call(people.delete_organization)(lambda _cast: {"organization": Organization.objects.create(name="Another")})
call(people.create_team)(lambda cast: {"organization": cast.example, "name": "Another"})
call(people.change_team)(lambda cast: {"team": cast.shop, "name": "Another"})
call(people.delete_team)(empty_team)
call(fingerprint_notes.add_note)(
    lambda cast: {"fingerprint": known(cast), "author": cast.bob, "text": "the nightly report"}
)
call(fingerprint_notes.remove_note)(lambda cast: {"note": CALLS["fingerprint_notes.add_note"](cast)()})
call(fingerprint_notes.set_tags)(lambda cast: {"fingerprint": known(cast), "names": ["nightly"]})
call(list_views.save_filter)(lambda cast: {"user": cast.bob, "name": "mine", "query": "errors=any", "is_default": True})
call(list_views.rename_filter)(lambda cast: {"saved": saved(cast), "name": "ours"})
call(list_views.choose_default)(lambda cast: {"saved": saved(cast), "is_default": False})
call(list_views.remove_filter)(lambda cast: {"saved": saved(cast)})
call(people.create_user)(lambda _cast: {"email": "n@example.org", "password": PASSWORD})
call(people.change_user)(lambda cast: {"user": cast.bob, "changes": {"name": "Robert", "is_active": False}})
call(people.change_own_password)(lambda cast: {"user": cast.bob, "password": "quite another phrase"})
call(people.change_preferences)(lambda cast: {"user": cast.bob, "name": "R", "language": "it", "time_zone": ""})
call(people.sign_out)(lambda cast: {"user": cast.bob})
call(plan_requests.request_plan)(lambda cast: {"statement": plannable(cast.collector, known(cast))})
call(personal_tokens.create_token)(personal)
call(personal_tokens.revoke_token)(lambda cast: {"token": CALLS["personal_tokens.create_token"](cast)().row})
call(reencryption.record_done)(lambda _cast: {"progress": list(reencryption.reencrypt_all())[-1]})
call(restores.end_what_a_backup_brought_back)(lambda cast: {"revoke_keys_of": [cast.collector.pk]})
call(second_factors.begin)(lambda cast: {"user": cast.bob})
call(second_factors.confirm)(beginner)
call(second_factors.check_code)(lambda cast: factor_of_bob(cast, code=True))
call(second_factors.renew_recovery_codes)(factor_of_bob)
call(second_factors.require)(asked_for_code)
call(second_factors.disable)(factor_of_bob)
call(second_factors.reset)(factor_of_bob)


def acts_of_services() -> set[str]:
    """Return the public functions of all services that are told who acts."""
    found = set()
    for module in pkgutil.iter_modules(services.__path__):
        loaded = importlib.import_module(f"collectors.services.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            is_own = function.__module__ == loaded.__name__ and not name.startswith("_")
            if is_own and "actor" in inspect.signature(function).parameters:
                found.add(f"{module.name}.{name}")
    return found


def database() -> dict[str, list[str]]:
    """Return all that is stored, but for counted attempts: those count before anything is looked at."""
    kept = [model for model in apps.get_models() if model is not LoginThrottle]
    return {model.__name__: sorted(map(repr, model._base_manager.values_list())) for model in kept}


def act(prepared: Act) -> None:
    """Do it; that it may be refused is part of what is tried."""
    with contextlib.suppress(Refused):
        prepared()


def test_every_function_that_is_told_who_acts_is_in_the_table() -> None:
    assert acts_of_services() - WRITERS == set(CALLS)


def test_the_acts_to_choose_from_are_those_that_are_written() -> None:
    source = "".join(path.read_text() for path in Path(collectors.__file__).parents[1].rglob("*.py"))
    named = set(re.findall(r'\baction(?:: str)? ?= ?"([a-z_]+\.[a-z_]+)"', source))
    assert named | {f"command.{command.value}" for command in CommandType} | set(key_failures.ACTIONS) == set(
        acts.ACTIONS
    )


@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_act_is_in_the_audit(name: str, cast: Cast) -> None:
    prepared = CALLS[name](cast)
    before = AuditEntry.objects.count()
    act(prepared)
    assert AuditEntry.objects.count() > before
    assert set(AuditEntry.objects.values_list("action", flat=True)) <= set(acts.ACTIONS)
    assert set(AuditEntry.objects.values_list("object_type", flat=True)) - {""} <= set(acts.OBJECT_TYPES)
    assert "canary" not in str(list(AuditEntry.objects.values_list("before", "after")))


class AuditBrokeError(Exception):
    """The audit row could not be written."""


@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_cannot_be_written_down_is_not_done(name: str, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = CALLS[name](cast)
    before = database()

    def break_down(**_members: Any) -> None:
        raise AuditBrokeError

    monkeypatch.setattr(audit, "record", break_down)
    with pytest.raises(AuditBrokeError):
        prepared()
    assert database() == before


def written(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("pk")


def test_that_somebody_is_made_super_admin_can_be_read(cast: Cast) -> None:
    people.create_user(email="n@example.org", password=None, name="Nora", is_superuser=True, actor=SOMEBODY)
    assert written("user.create").after == {"email": "n@example.org", "name": "Nora", "is_superuser": True}


def test_an_account_that_an_invitation_makes_is_in_the_audit(cast: Cast) -> None:
    invitations.accept(token=invited(cast, "n@example.org").token, password=PASSWORD, actor=HERE)
    entry = written("user.create")
    assert (entry.after["email"], entry.object_id, entry.address) == (
        "n@example.org",
        User.objects.get(email="n@example.org").pk,
        HERE.address,
    )


def test_another_database_password_is_told_and_the_same_one_is_not(cast: Cast) -> None:
    config = {"host": "127.0.0.1", "user": "dbpower"}
    for password, told in (("canary-database-password", None), ("canary-other", "changed"), (None, None)):
        given = {**config, **({"password": password} if password else {})}
        collectors.change_collector(collector=cast.collector, config=given, actor=SOMEBODY)
        entry = written("collector.change")
        assert entry.after["config"].get("password") == told, password
        assert "password" not in entry.before["config"]
        assert "canary" not in str(entry.after)


def test_what_a_collector_is_registered_with_can_be_read(cast: Cast) -> None:
    entry = AuditEntry.objects.get(action="collector.register", object_id=cast.collector.pk)
    assert entry.after["config"] == {"host": "127.0.0.1", "user": "dbpower"}
    assert entry.after["collection_interval_minutes"] == limits.COLLECTION_INTERVAL_MINUTES


def test_what_start_stop_and_a_cancelled_one_change_can_be_read(cast: Cast) -> None:
    stop = commands.request_command(collector=cast.collector, command=CommandType.STOP, actor=SOMEBODY)
    entry = written("command.stop")
    assert (entry.before, entry.after) == ({"auto_collect": True}, {"command_id": stop.pk, "auto_collect": False})
    commands.cancel_command(command=stop, actor=SOMEBODY)
    entry = written("command.cancel")
    assert (entry.before, entry.after) == ({"auto_collect": False}, {"state": "cancelled", "auto_collect": True})


def test_an_invitation_that_another_one_voids_is_revoked_in_the_audit_too(cast: Cast) -> None:
    first = invited(cast, "n@example.org")
    invited(cast, "n@example.org")
    assert written("invitation.revoke").object_id == first.row.pk


def test_a_token_that_was_used_before_is_in_the_audit_of_its_owners_organization(cast: Cast) -> None:
    session = logged_in(cast)
    for replacement in ("b" * 32, "c" * 32):
        logins.rotate(session=session, presented="a" * 32, replacement=replacement, lifetime=WEEK, actor=HERE)
    entry = AuditEntry.objects.get(action="token.reused")
    assert (entry.user_id, entry.organization_id, entry.address) == (cast.bob.pk, cast.example.pk, HERE.address)
    logins.rotate(session=session, presented="a" * 32, replacement="d" * 32, lifetime=WEEK, actor=HERE)
    assert AuditEntry.objects.filter(action="token.reused").count() == 1


def test_a_refused_login_is_told_to_the_one_organization_that_the_account_belongs_to(cast: Cast) -> None:
    Membership.objects.create(user=cast.dave, organization=cast.sample, role=Role.ORG_ADMIN)
    for email, organization in ((" BOB@example.org", cast.example.pk), (cast.dave.email, None), ("x@x.org", None)):
        logins.record_refused(email=email, actor=HERE)
        entry = written("login.refused")
        assert (entry.organization_id, entry.user_id) == (organization, None), email
