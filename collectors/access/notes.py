"""Whose notes on statements may be removed."""

from collections.abc import Iterable

from collectors.access.principals import Principal
from collectors.access.scopes import may
from collectors.domain.roles import Permission
from collectors.models import Fingerprint, FingerprintNote


def with_removable(
    notes: Iterable[FingerprintNote], fingerprint: Fingerprint, principal: Principal
) -> list[tuple[FingerprintNote, bool]]:
    """Return the statement's notes, each with whether it may be removed: one's own, or any where one governs the organization."""
    governs = may(principal, Permission.ORGANIZATION_CHANGE, fingerprint.organization)
    return [(note, governs or note.author_id == principal.user_id) for note in notes]
