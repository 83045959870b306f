"""Notes and tags on statements."""

from django.db import transaction
from django.utils.translation import gettext as _

from collectors.domain import limits, tags
from collectors.domain.actors import Actor
from collectors.models import Fingerprint, FingerprintNote, FingerprintTag, User
from collectors.services import audit
from collectors.services.errors import Refused


@transaction.atomic
def add_note(*, fingerprint: Fingerprint, author: User, text: str, actor: Actor) -> FingerprintNote:
    """Write a note on a statement. Raises `Refused` for one that is empty or too long, and when there are too many."""
    text = text.replace("\0", "").strip()
    if not text or len(text) > limits.MAX_NOTE_CHARACTERS:
        said = _("A note has at least one character and at most %(most)d.") % {"most": limits.MAX_NOTE_CHARACTERS}
        raise Refused(said, code="invalid", errors={"text": [said]})
    Fingerprint.objects.select_for_update().get(pk=fingerprint.pk)
    if fingerprint.notes.count() >= limits.MAX_NOTES:
        said = _("This statement has %(count)d notes. Remove some first.") % {"count": limits.MAX_NOTES}
        raise Refused(said, code="too_many_notes")
    note = FingerprintNote.objects.create(
        organization_id=fingerprint.organization_id,
        fingerprint=fingerprint,
        author=author,
        author_label=(author.name or author.email)[:254],
        text=text,
    )
    audit.record(
        actor=actor,
        action="fingerprint.note",
        row=fingerprint,
        organization_id=fingerprint.organization_id,
        after={"note": text},
    )
    note.refresh_from_db()
    return note


@transaction.atomic
def remove_note(*, note: FingerprintNote, actor: Actor) -> None:
    """Remove a note; one that is gone stays gone."""
    removed, _ = FingerprintNote.objects.filter(pk=note.pk).delete()
    if removed:
        audit.record(
            actor=actor,
            action="fingerprint.note_removed",
            row=note.fingerprint,
            organization_id=note.organization_id,
            before={"note": note.text, "author": note.author_label},
        )


@transaction.atomic
def set_tags(*, fingerprint: Fingerprint, names: list[str], actor: Actor) -> list[str]:
    """Give a statement these tags and no others; return them. Raises `Refused` for tags that are too long or too many."""
    if not tags.are_good(names):
        said = _("A statement has at most %(tags)d tags, each of at most %(characters)d visible characters.") % {
            "tags": limits.MAX_TAGS,
            "characters": limits.MAX_TAG_CHARACTERS,
        }
        raise Refused(said, code="invalid", errors={"tags": [said]})
    Fingerprint.objects.select_for_update().get(pk=fingerprint.pk)
    before = sorted(fingerprint.tags.values_list("name", flat=True))
    if names == before:
        return names
    fingerprint.tags.exclude(name__in=names).delete()
    FingerprintTag.objects.bulk_create(
        FingerprintTag(organization_id=fingerprint.organization_id, fingerprint=fingerprint, name=name)
        for name in names
        if name not in before
    )
    audit.record(
        actor=actor,
        action="fingerprint.tags",
        row=fingerprint,
        organization_id=fingerprint.organization_id,
        before={"tags": before},
        after={"tags": names},
    )
    return names
