"""The audit in words: sentences, what changed, where they lead, and the files."""

import json
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from collectors.admin.audit_sentences import ACTS, MEMBERS, NAMED, OBJECTS
from collectors.domain import acts
from collectors.domain.roles import Role
from collectors.models import AuditEntry
from collectors.services import audit, people
from collectors.services.errors import Refused
from tests.admin.conftest import Visit
from tests.cast import SOMEBODY, Cast
from tests.services.test_audit import CALLS

LIST = "admin:collectors_auditentry_changelist"


def sentences(answer: Any) -> list[str]:
    return [str(entry.told.sentence) for entry in answer.context["cl"].result_list]


def test_every_act_and_every_kind_of_object_has_its_words() -> None:
    assert set(ACTS) == set(acts.ACTIONS)
    assert set(OBJECTS) == set(acts.OBJECT_TYPES)


def test_every_member_that_an_act_writes_has_its_words(cast: Cast) -> None:
    written = set()
    for prepare in CALLS.values():
        with suppress(Refused), transaction.atomic():
            prepare(deepcopy(cast))()
            for entry in AuditEntry.objects.all():
                written |= {*entry.before, *entry.after}
            transaction.set_rollback(True)
    assert len(written) > 30
    assert written - set(MEMBERS) - NAMED == set()


def test_what_was_done_reads_as_a_sentence_with_links_to_what_may_be_seen(cast: Cast, visit: Visit) -> None:
    given = people.add_membership(
        organization=cast.example, team=cast.warehouse, role=Role.TEAM_LEAD, user=cast.bob, actor=SOMEBODY
    )
    (told,) = sentences(visit(cast.alice).get(reverse(LIST), {"action": "membership.create"}))
    address = reverse("admin:collectors_membership_change", args=[given.pk])
    assert told == (
        "<strong>tests</strong> gave "
        f'<a class="dbpower-link" href="{address}">bob@example.org</a> the role <strong>TEAM_LEAD</strong> '
        "in <strong>Warehouse</strong>"
    )
    people.change_membership(membership=given, role=Role.USER, actor=SOMEBODY)
    (told,) = sentences(visit(cast.alice).get(reverse(LIST), {"action": "membership.change"}))
    assert "from <strong>TEAM_LEAD</strong> to <strong>USER</strong>" in told


def test_what_changed_is_told_beside_the_sentence(cast: Cast, visit: Visit) -> None:
    people.change_organization(organization=cast.example, actor=SOMEBODY, slow_query_retention_days=7)
    page = visit(cast.alice).get(reverse(LIST), {"action": "organization.change"})
    (entry,) = page.context["cl"].result_list
    (change,) = entry.told.changes
    assert (change.name, change.before, change.after) == ("days that slow queries are kept", "none", "7")


def test_a_team_that_was_not_renamed_is_not_called_so(cast: Cast, visit: Visit) -> None:
    people.change_team(team=cast.shop, plans=True, actor=SOMEBODY)
    people.change_team(team=cast.shop, plans=False, name="Shopping", actor=SOMEBODY)
    page = visit(cast.alice).get(reverse(LIST), {"action": "team.change"})
    both, plans = page.context["cl"].result_list
    assert "changed the team" in plans.told.sentence
    assert [(change.name, change.before, change.after) for change in plans.told.changes] == [("plans", "no", "yes")]
    assert "changed the team" in both.told.sentence
    assert {(change.name, change.after) for change in both.told.changes} == {("plans", "no"), ("name", "Shopping")}


def test_names_of_other_tenants_stay_unnamed_and_text_stays_text(cast: Cast, visit: Visit) -> None:
    audit.record(
        actor=SOMEBODY,
        action="membership.create",
        row=cast.shop,
        organization_id=cast.example.pk,
        after={"user": "<script>alert(1)</script>", "team_id": cast.foreign.pk, "role": "%(who)s"},
    )
    (told,) = sentences(visit(cast.alice).get(reverse(LIST), {"action": "membership.create"}))
    assert "<script>" not in told
    assert f"team {cast.foreign.pk}" in told
    assert "%(who)s" in told


def test_the_list_is_narrowed_by_the_control_of_time(cast: Cast, visit: Visit) -> None:
    old = AuditEntry.objects.filter(organization=cast.example).latest("pk")
    AuditEntry.objects.filter(pk=old.pk).update(created_at="2020-05-05T12:00Z")
    client = visit(cast.alice)
    found = client.get(reverse(LIST), {"since": "1588600000", "until": "1588700000"}).context["cl"].result_list
    assert [entry.pk for entry in found] == [old.pk]
    recent = client.get(reverse(LIST), {"period": "hour"}).context["cl"].result_list
    assert old.pk not in [entry.pk for entry in recent]
    assert old.pk in [entry.pk for entry in client.get(reverse(LIST)).context["cl"].result_list]
    for odd in ({"period": "x"}, {"since": "x", "until": "9"}):
        assert client.get(reverse(LIST), odd).status_code == 200


def test_the_file_of_json_holds_what_the_list_holds_and_is_for_whoever_sees_it(cast: Cast, visit: Visit) -> None:
    path = reverse("admin:collectors_auditentry_export")
    answer: Any = visit(cast.alice).get(path, {"format": "json", "action": "collector.register", "period": "day"})
    assert answer["Content-Disposition"] == 'attachment; filename="dbpower-audit.json"'
    found = json.loads(answer.getvalue())["entries"]
    assert {entry["object_label"] for entry in found} == {"shop-mysql", "warehouse-pg"}
    assert visit(cast.bob).get(path, {"format": "json"}).status_code == 403


@pytest.mark.parametrize("view", ["change", "history"])
def test_an_entry_and_the_history_of_an_object_are_told_too(view: str, cast: Cast, visit: Visit) -> None:
    people.change_team(team=cast.shop, name="Shopping", actor=SOMEBODY)
    entry = AuditEntry.objects.get(action="team.change")
    name, pk = ("auditentry", entry.pk) if view == "change" else ("team", cast.shop.pk)
    page = visit(cast.alice).get(reverse(f"admin:collectors_{name}_{view}", args=[pk])).content.decode()
    assert "renamed the team <strong>Shop</strong> to <strong>Shopping</strong>" in page
