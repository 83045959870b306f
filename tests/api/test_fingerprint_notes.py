"""Notes and tags on statements through the API."""

import pytest

from collectors.domain import limits
from collectors.models import Fingerprint, FingerprintNote, FingerprintTag
from collectors.services import fingerprint_notes
from tests.api.callers import ANYBODY, content_of, signed_in
from tests.cast import SOMEBODY, Cast
from tests.services.uploading import send, slow_log, slow_query

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared(cast: Cast) -> Fingerprint:
    """A statement that runs in both organizations, whose id they share, and not its notes."""
    for collector in (cast.collector, cast.foreign_collector):
        send(collector, slow_log(0, 1, queries=[slow_query(fingerprint_id="AB12" * 4)]))
    return Fingerprint.objects.get(organization=cast.example)


def test_a_note_is_written_listed_and_removed(cast: Cast, shared: Fingerprint) -> None:
    carol, path = signed_in(cast.carol), f"queries/{shared.fingerprint_id}/notes"
    written = content_of(carol.post(path, {"text": " ask Carol first "}))
    assert (written["text"], written["author"], written["organization_id"]) == (
        "ask Carol first", "carol@example.org", cast.example.pk
    )  # fmt: skip
    listed = content_of(signed_in(cast.alice).get(path.lower()))
    assert listed == {"count": 1, "next": None, "previous": None, "notes": [written]}
    assert signed_in(cast.bob).delete(f"{path}/{written['id']}").status_code == 403
    assert carol.delete(f"{path}/{written['id']}").status_code == 204
    assert not FingerprintNote.objects.exists()


def test_a_note_of_others_is_like_one_that_there_is_not(cast: Cast, shared: Fingerprint) -> None:
    theirs = Fingerprint.objects.get(organization=cast.sample)
    note = fingerprint_notes.add_note(fingerprint=theirs, author=cast.mallory, text="x", actor=SOMEBODY)
    alice, path = signed_in(cast.alice), f"queries/{shared.fingerprint_id}/notes"
    assert content_of(alice.get(path))["notes"] == []
    there, absent = alice.delete(f"{path}/{note.pk}"), alice.delete(f"{path}/{note.pk + 1}")
    assert (there.status_code, there.content) == (404, absent.content)
    # Whether an organization has the statement is not told to others either.
    query = f"organization_id={cast.sample.pk}"
    assert alice.get(path, QUERY_STRING=query).status_code == 404
    assert ANYBODY.get(f"queries/{'0' * 16}/notes").status_code == 401
    assert FingerprintNote.objects.exists()


def test_who_sees_the_statement_twice_names_the_organization(cast: Cast, shared: Fingerprint) -> None:
    root, path = signed_in(cast.root), f"queries/{shared.fingerprint_id}/notes"
    for answer in (root.get(path), root.post(path, {"text": "x"})):
        assert (answer.status_code, content_of(answer)["code"]) == (400, "ambiguous")
        assert list(content_of(answer)["errors"]) == ["organization_id"]
    chosen = f"organization_id={cast.sample.pk}"
    assert root.post(f"{path}?{chosen}", {"text": "x"}).status_code == 201
    assert content_of(root.get(path, QUERY_STRING=chosen))["count"] == 1
    assert FingerprintNote.objects.get().organization_id == cast.sample.pk


def test_tags_are_replaced_whole(cast: Cast, shared: Fingerprint) -> None:
    carol, path = signed_in(cast.carol), f"queries/{shared.fingerprint_id}/tags"
    assert content_of(carol.send("PUT", path, {"tags": ["Report ", "nightly", "report"]})) == {
        "tags": ["nightly", "report"]
    }
    assert content_of(carol.get(path)) == {"tags": ["nightly", "report"]}
    for wrong in (["a,b"], ["x" * 300], ["x"] * (limits.MAX_TAGS + 1), "report", [""], None):
        answer = carol.send("PUT", path, {"tags": wrong})
        assert answer.status_code == 400, wrong
        assert any(name.startswith("tags") for name in content_of(answer)["errors"])
    assert content_of(carol.send("PUT", path, {"tags": []})) == {"tags": []}
    assert not FingerprintTag.objects.exists()
