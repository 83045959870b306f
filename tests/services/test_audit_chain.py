"""The chain over the audit: complete, in every order of writers, and broken by whatever is changed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from collectors.domain import audit_chain as domain
from collectors.domain.audit_chain import START
from collectors.models import AuditChain, AuditEntry, Organization
from collectors.services import audit, audit_chain, people
from collectors.services.audit_chain import Report
from tests.cast import SOMEBODY, Cast
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def write(organization: Organization, many: int = 1) -> None:
    for number in range(many):
        audit.record(
            actor=SOMEBODY,
            action="test.write",
            row=organization,
            organization_id=organization.pk,
            after={"number": number, "text": "é\u2028\U0001f600", "share": 0.1, "nested": {"a": [None, True]}},
        )


def reports() -> dict[int, Report]:
    return {report.chain.pk: report for report in audit_chain.verify()}


def broken() -> list[str]:
    return [text for report in audit_chain.verify() for text in report.broken]


def test_every_entry_is_sealed_in_the_chain_of_its_organization(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "_CHUNK", 3)
    write(cast.example, 8)
    write(cast.sample, 2)
    people.create_user(email="x@example.org", password=None, actor=SOMEBODY)
    count = AuditEntry.objects.count()
    assert audit_chain.seal() == count
    assert audit_chain.seal() == 0
    assert {pk: report.unsealed for pk, report in reports().items()} == {0: 0, cast.example.pk: 0, cast.sample.pk: 0}
    assert sum(report.sealed for report in reports().values()) == count
    assert broken() == []


def test_what_is_not_sealed_yet_is_told_and_continues_the_chain(cast: Cast) -> None:
    audit_chain.seal()
    before = AuditChain.objects.get(pk=cast.example.pk)
    write(cast.example, 2)
    report = reports()[cast.example.pk]
    assert (report.unsealed, report.broken) == (2, [])
    assert report.oldest_unsealed_at is not None
    audit_chain.seal()
    assert AuditChain.objects.get(pk=cast.example.pk).position == before.position + 2
    assert broken() == []


def test_what_was_never_sealed_is_told_where_there_is_no_chain_yet(cast: Cast) -> None:
    write(cast.example, 2)
    count = AuditEntry.objects.filter(organization=cast.example).count()
    report = reports()[cast.example.pk]
    assert (report.sealed, report.unsealed, report.broken) == (0, count, [])
    assert report.oldest_unsealed_at is not None
    assert sum(report.unsealed for report in reports().values()) == AuditEntry.objects.count()


def change(**values: object) -> Callable[[Cast], object]:
    def changed(cast: Cast) -> object:
        return AuditEntry.objects.filter(organization=cast.example, position=3).update(**values)

    return changed


TAMPERINGS: dict[str, Callable[[Cast], object]] = {
    "what": change(action="nothing.happened"),
    "who": change(actor="somebody.else@example.org", user_id=7),
    "where": change(address="203.0.113.1"),
    "before": change(before={"role": "USER"}),
    "after": change(after={}),
    "when": change(created_at="2020-01-01T00:00:00Z"),
    "seal": change(seal=START),
    "removed in the middle": lambda cast: AuditEntry.objects.filter(organization=cast.example, position=3).delete(),
    "removed at the end": lambda cast: AuditEntry.objects.filter(organization=cast.example).latest("position").delete(),
    "removed at the beginning": lambda cast: AuditEntry.objects.filter(organization=cast.example, position=1).delete(),
    "given to another organization": lambda cast: AuditEntry.objects.filter(
        organization=cast.example, position=3
    ).update(organization=cast.sample),
    "moved": lambda cast: AuditEntry.objects.filter(organization=cast.example, position=3).update(position=30),
    "doubled": lambda cast: AuditEntry.objects.filter(organization=cast.example, position=3).update(position=4),
    "added before the beginning": lambda cast: AuditEntry.objects.create(
        organization=cast.example, actor="nobody", action="test.write", object_type="team", position=0, seal=START
    ),
    "unsealed": lambda cast: AuditEntry.objects.filter(organization=cast.example, position=3).update(position=None),
    "the chain removed": lambda cast: AuditChain.objects.filter(pk=cast.example.pk).delete(),
    "the chain set back": lambda cast: AuditChain.objects.filter(pk=cast.example.pk).update(position=0, seal=START),
    "all removed": lambda cast: AuditEntry.objects.filter(organization=cast.example).delete(),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_whatever_is_changed_is_noticed(tampering: str, cast: Cast) -> None:
    write(cast.example, 6)
    audit_chain.seal()
    assert broken() == []
    TAMPERINGS[tampering](cast)
    assert broken()


def test_a_chain_made_anew_is_noticed_by_whoever_noted_its_end(cast: Cast) -> None:
    write(cast.example, 3)
    audit_chain.seal()
    chain = AuditChain.objects.get(pk=cast.example.pk)
    noted = {(chain.pk, chain.position): chain.seal}
    assert not [text for report in audit_chain.verify(expected=noted) for text in report.broken]
    AuditEntry.objects.filter(organization=cast.example).update(position=None, seal="", actor="nobody")
    chain.delete()
    audit_chain.seal()
    assert broken() == []
    assert [text for report in audit_chain.verify(expected=noted) for text in report.broken]
    AuditEntry.objects.filter(organization=cast.example).delete()
    AuditChain.objects.filter(pk=cast.example.pk).delete()
    assert [text for report in audit_chain.verify(expected=noted) for text in report.broken]


def test_what_is_sealed_while_the_chains_are_gone_through_breaks_none(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cast.example, 3)
    write(cast.sample)
    audit_chain.seal()
    seen: list[int] = []

    def seal_of(previous: str, position: int, content: dict[str, Any]) -> str:
        seen.append(content["id"])
        if len(seen) == 2:
            write(cast.example)
            write(cast.sample)
            audit_chain.seal()
        return domain.seal_of(previous, position, content)

    with monkeypatch.context() as patched:
        patched.setattr(audit_chain, "seal_of", seal_of)
        found = reports()
    assert [report.broken for report in found.values() if report.broken] == []
    assert found[cast.sample.pk].sealed == AuditEntry.objects.filter(organization=cast.sample).count()


def test_the_entries_of_an_organization_that_is_removed_stay_and_stay_whole(cast: Cast) -> None:
    gone = people.create_organization(name="Gone", actor=SOMEBODY)
    number = gone.pk
    audit_chain.seal()
    people.delete_organization(organization=gone, actor=SOMEBODY)
    audit_chain.seal()
    assert AuditEntry.objects.filter(organization_id=number).count() == 2
    assert broken() == []


@pytest.mark.django_db(transaction=True)
def test_many_sealers_at_once_make_one_chain(cast: Cast) -> None:
    write(cast.example, 40)
    results = at_once(*[audit_chain.seal] * 4, *[partial(write, cast.example, 10)] * 2)
    assert [result for result in results if isinstance(result, Exception)] == []
    audit_chain.seal()
    assert broken() == []
    assert not AuditEntry.objects.filter(position=None).exists()


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_is_committed_after_later_ones_were_sealed_is_sealed_too(cast: Cast) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    with transaction.atomic():
        write(cast.example)
        at_once(partial(write, cast.example), lambda: None)
        results = at_once(audit_chain.seal, lambda: None)
        assert isinstance(results[0], int), "the sealer does not wait for a writer"
    assert audit_chain.seal() == 1
    assert broken() == []
