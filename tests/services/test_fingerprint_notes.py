"""Notes and tags on statements."""

import pytest

from collectors.domain import limits
from collectors.models import AuditEntry, Fingerprint, FingerprintNote
from collectors.services import fingerprint_notes
from collectors.services.errors import Refused
from tests.cast import SOMEBODY, Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def fingerprint(cast: Cast) -> Fingerprint:
    """A statement of Example GmbH."""
    return Fingerprint.objects.create(organization=cast.example, fingerprint_id="A" * 16, text="select ?")


def test_a_note_tells_who_wrote_it_and_outlives_them(cast: Cast, fingerprint: Fingerprint) -> None:
    fingerprint_notes.add_note(fingerprint=fingerprint, author=cast.carol, text=" nightly\0 report ", actor=SOMEBODY)
    entry = AuditEntry.objects.get(action="fingerprint.note")
    assert (entry.organization_id, entry.after) == (cast.example.pk, {"note": "nightly report"})
    cast.carol.delete()
    note = FingerprintNote.objects.get()
    assert (note.text, note.author_label, note.author) == ("nightly report", "carol@example.org", None)


@pytest.mark.parametrize("text", ["", " \n", "\0", "x" * (limits.MAX_NOTE_CHARACTERS + 1)])
def test_a_note_that_says_nothing_or_too_much_is_refused(text: str, cast: Cast, fingerprint: Fingerprint) -> None:
    with pytest.raises(Refused) as refusal:
        fingerprint_notes.add_note(fingerprint=fingerprint, author=cast.carol, text=text, actor=SOMEBODY)
    assert "text" in refusal.value.errors
    assert not FingerprintNote.objects.exists()


def test_a_statement_has_so_many_notes_at_most(
    cast: Cast, fingerprint: Fingerprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_NOTES", 1)
    fingerprint_notes.add_note(fingerprint=fingerprint, author=cast.carol, text="a", actor=SOMEBODY)
    with pytest.raises(Refused):
        fingerprint_notes.add_note(fingerprint=fingerprint, author=cast.carol, text="b", actor=SOMEBODY)


def test_a_note_is_removed_once(cast: Cast, fingerprint: Fingerprint) -> None:
    note = fingerprint_notes.add_note(fingerprint=fingerprint, author=cast.carol, text="a", actor=SOMEBODY)
    for _ in range(2):
        fingerprint_notes.remove_note(note=note, actor=SOMEBODY)
    assert not FingerprintNote.objects.exists()
    assert AuditEntry.objects.filter(action="fingerprint.note_removed").count() == 1


def test_tags_are_replaced_and_only_changes_are_written_down(cast: Cast, fingerprint: Fingerprint) -> None:
    for names in (["a", "b"], ["a", "b"], ["b", "c"], []):
        fingerprint_notes.set_tags(fingerprint=fingerprint, names=names, actor=SOMEBODY)
        assert sorted(fingerprint.tags.values_list("name", flat=True)) == names
    entries = AuditEntry.objects.filter(action="fingerprint.tags").order_by("pk")
    assert [(entry.before["tags"], entry.after["tags"]) for entry in entries] == [
        ([], ["a", "b"]),
        (["a", "b"], ["b", "c"]),
        (["b", "c"], []),
    ]
    with pytest.raises(Refused):
        fingerprint_notes.set_tags(fingerprint=fingerprint, names=["x" * 99], actor=SOMEBODY)
