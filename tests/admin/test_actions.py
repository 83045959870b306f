"""Every action of every table, walked: nothing foreign is touched, and reading an address changes nothing."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from collectors.admin.actions import MAX_ROWS, ScopedAction
from collectors.admin.collectors import CollectorAdmin
from collectors.admin.site import site
from collectors.domain.commands import CommandType
from collectors.domain.roles import Permission
from collectors.models import AuditEntry, Collector, Command, Invitation, Membership, User
from collectors.services.commands import request_command
from tests.admin.conftest import Rows, Visit
from tests.cast import SOMEBODY, Cast

ACTIONS = [(model, name) for model, table in site._registry.items() for name in map(str, table.actions or ())]
NAMES = [f"{model.__name__}.{name}" for model, name in ACTIONS]


def contents(skip: tuple[str, ...] = ("django_session", "audit_entries")) -> dict[str, list[Any]]:
    """Return every row of the database, except sessions, and the audit, where refusals are noted."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table in skip:
                continue
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def test_there_are_actions_to_walk() -> None:
    assert len(ACTIONS) >= 5


def test_no_action_goes_past_the_gate() -> None:
    assert not any(True for _ in site.actions)
    for table in site._registry.values():
        for kind in ("actions_list", "actions_row", "actions_detail", "actions_submit_line"):
            assert not getattr(table, kind), f"{table} uses Unfold's own {kind}"
        for name in table.actions or ():
            assert isinstance(getattr(type(table), str(name)), ScopedAction)


def foreign_row(model: Any, foreign: Rows) -> Any:
    """Return the foreign row of a table."""
    return next(row for row in foreign.all() if type(row) is model)


@pytest.mark.parametrize(("model", "name"), ACTIONS, ids=NAMES)
@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_a_foreign_row_is_untouchable(
    model: Any, name: str, who: str, cast: Cast, own: Rows, foreign: Rows, visit: Visit
) -> None:
    client = visit(getattr(cast, who))
    row = foreign_row(model, foreign)
    meta = f"admin:collectors_{model._meta.model_name}"
    before = contents()

    by_button = client.post(reverse(f"{meta}_do", args=[row.pk, name]))
    absent = client.post(reverse(f"{meta}_do", args=[999_999, name]))
    from_list = client.post(
        reverse(f"{meta}_changelist"), {"action": name, "_selected_action": [row.pk], "index": 0, "select_across": 0}
    )
    across = client.post(
        reverse(f"{meta}_changelist") + f"?q={row.pk}",
        {"action": name, "_selected_action": [row.pk], "index": 0, "select_across": 1},
    )

    assert contents() == before
    assert (by_button.status_code, by_button.headers.get("Location")) == (
        absent.status_code,
        absent.headers.get("Location"),
    )
    assert by_button.status_code in {302, 404}
    assert from_list.status_code in {200, 302, 403}
    assert across.status_code in {200, 302, 403}


@pytest.mark.parametrize(("model", "name"), ACTIONS, ids=NAMES)
@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_only_a_post_acts(model: Any, name: str, method: str, cast: Cast, own: Rows, visit: Visit) -> None:
    client = visit(cast.alice)
    row = foreign_row(model, own)
    before = contents()

    response = getattr(client, method)(reverse(f"admin:collectors_{model._meta.model_name}_do", args=[row.pk, name]))
    client.get(
        reverse(f"admin:collectors_{model._meta.model_name}_changelist"),
        {"action": name, "_selected_action": row.pk, "index": 0},
    )

    assert response.status_code == 405
    assert contents() == before


@pytest.mark.parametrize(("model", "name"), ACTIONS, ids=NAMES)
def test_a_post_needs_the_token_against_forgery(model: Any, name: str, cast: Cast, own: Rows) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    row = foreign_row(model, own)
    before = contents()
    response = client.post(reverse(f"admin:collectors_{model._meta.model_name}_do", args=[row.pk, name]))
    assert response.status_code == 403
    assert contents() == before


@pytest.mark.parametrize(("model", "name"), ACTIONS, ids=NAMES)
def test_the_own_row_is_acted_on(model: Any, name: str, cast: Cast, own: Rows, visit: Visit) -> None:
    row = foreign_row(model, own)
    # Accounts are SUPER_ADMIN's, invitations an ORG_ADMIN's.
    client = visit({User: cast.root, Invitation: cast.alice}.get(model, cast.bob))
    if name == "reactivate":
        User.objects.filter(pk=row.pk).update(is_active=False)
    before = contents()
    path = reverse(f"admin:collectors_{model._meta.model_name}_do", args=[row.pk, name])
    response = client.post(path, {"confirmed": "1"})
    assert response.status_code in {200, 302}
    assert contents() != before


def test_a_mixed_choice_acts_on_the_own_rows_alone(cast: Cast, visit: Visit) -> None:
    chosen = [cast.collector.pk, cast.warehouse_collector.pk, cast.foreign_collector.pk]
    visit(cast.bob).post(
        reverse("admin:collectors_collector_changelist"),
        {"action": "stop", "_selected_action": chosen, "index": 0, "select_across": 0},
    )
    assert list(Command.objects.values_list("collector_id", flat=True)) == [cast.collector.pk]


def test_all_rows_of_all_pages_means_all_visible_ones(cast: Cast, visit: Visit) -> None:
    visit(cast.alice).post(
        reverse("admin:collectors_collector_changelist"),
        {"action": "collect", "_selected_action": [cast.collector.pk], "index": 0, "select_across": 1},
    )
    assert set(Command.objects.values_list("collector_id", flat=True)) == {
        cast.collector.pk,
        cast.warehouse_collector.pk,
    }


@pytest.mark.parametrize("chosen", ["x", "9" * 40, "-1", "\u0661", ""])
def test_odd_choices_do_nothing(chosen: str, cast: Cast, visit: Visit) -> None:
    response = visit(cast.alice).post(
        reverse("admin:collectors_collector_changelist"),
        {"action": "stop", "_selected_action": [chosen], "index": 0, "select_across": 0},
    )
    assert response.status_code == 302
    assert Command.objects.count() == 0


def test_an_unknown_action_is_not_found(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_collector_do", args=[cast.collector.pk, "delete_selected"])
    assert visit(cast.root).post(path).status_code == 404


def test_too_many_rows_are_refused_as_a_whole(cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.admin.actions.MAX_ROWS", 1)
    assert MAX_ROWS > 1
    visit(cast.alice).post(
        reverse("admin:collectors_collector_changelist"),
        {"action": "stop", "_selected_action": [cast.collector.pk], "index": 0, "select_across": 1},
    )
    assert Command.objects.count() == 0


def test_a_refusal_becomes_a_message(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    command = request_command(collector=cast.collector, command=CommandType.COLLECT, actor=SOMEBODY)
    path = reverse("admin:collectors_command_do", args=[command.pk, "cancel"])
    assert client.post(path).status_code == 302
    page = client.post(path, follow=True)
    assert page.status_code == 200
    assert b"The command has ended: cancelled." in page.content


def test_starting_and_stopping_are_recorded_with_who_and_from_where(cast: Cast, visit: Visit) -> None:
    visit(cast.bob).post(reverse("admin:collectors_collector_do", args=[cast.collector.pk, "stop"]))
    collector = Collector.objects.get(pk=cast.collector.pk)
    assert not collector.auto_collect
    entry = AuditEntry.objects.filter(action="command.stop").get()
    assert (entry.actor, entry.user_id, entry.address) == (cast.bob.email, cast.bob.pk, "127.0.0.1")


def test_seeing_a_row_is_not_enough_to_act_on_it(cast: Cast, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bob leads a team here and administers another organization: he sees both collectors, and may manage teams in one.
    Membership.objects.create(user=cast.bob, organization=cast.sample, role="ORG_ADMIN")
    monkeypatch.setattr(CollectorAdmin.stop, "permission", Permission.TEAM_MANAGE)
    client = visit(cast.bob)
    assert client.post(reverse("admin:collectors_collector_do", args=[cast.collector.pk, "stop"])).status_code == 403
    chosen = [cast.collector.pk, cast.foreign_collector.pk]
    response = client.post(
        reverse("admin:collectors_collector_changelist"),
        {"action": "stop", "_selected_action": chosen, "index": 0, "select_across": 0},
        follow=True,
    )
    assert list(Command.objects.values_list("collector_id", flat=True)) == [cast.foreign_collector.pk]
    assert b"1 left out" in response.content


def test_an_action_is_offered_to_those_who_may_do_it_somewhere(cast: Cast, visit: Visit) -> None:
    content = visit(cast.bob).get(reverse("admin:collectors_collector_change", args=[cast.collector.pk])).content
    assert b"Collect now" in content
    assert CollectorAdmin.collect.permission is Permission.COLLECTOR_COMMAND
