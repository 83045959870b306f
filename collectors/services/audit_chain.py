"""Sealing the audit, and telling whether anybody changed it since.

Who writes an entry takes no lock for it: entries are sealed afterwards, chain by chain, by whoever holds the chain's row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from collectors.domain.audit_chain import START, seal_of
from collectors.models import AuditChain, AuditEntry

_CHUNK: Final = 500
# The chain of entries that belong to no organization.
NO_ORGANIZATION: Final = 0


@dataclass
class Report:
    """What became of one chain. `broken` names what does not fit, in the order in which it was found."""

    chain: AuditChain
    sealed: int = 0
    unsealed: int = 0
    oldest_unsealed_at: datetime | None = None
    broken: list[str] = field(default_factory=list)


def seal() -> int:
    """Seal every entry that waits for it; return how many there were."""
    waiting = AuditEntry.objects.filter(position=None).order_by().values_list("organization_id", flat=True).distinct()
    return sum(_seal_chain(organization_id or NO_ORGANIZATION) for organization_id in list(waiting))


def verify(*, expected: Mapping[tuple[int, int], str] | None = None) -> Iterator[Report]:
    """Go through every chain and yield what was found.

    `expected` holds seals that somebody noted earlier, by organization and position: whoever could write to the database
    could make a whole chain anew, but not with the same seals.
    """
    expected = dict(expected or {})
    chains = AuditChain.objects.values_list("pk", flat=True)
    written = AuditEntry.objects.order_by().values_list("organization_id", flat=True).distinct()
    named = {*chains, *(organization_id or NO_ORGANIZATION for organization_id in written), *(pk for pk, _ in expected)}
    for pk in sorted(named):
        yield _verified(pk, expected)


def _seal_chain(chain_id: int) -> int:
    sealed = 0
    while chunk := _seal_chunk(chain_id):
        sealed += chunk
    return sealed


@transaction.atomic
def _seal_chunk(chain_id: int) -> int:
    AuditChain.objects.get_or_create(pk=chain_id, defaults={"seal": START})
    chain = AuditChain.objects.select_for_update().get(pk=chain_id)
    entries = list(_entries(chain_id).filter(position=None).order_by("pk")[:_CHUNK])
    for entry in entries:
        chain.position += 1
        chain.seal = seal_of(chain.seal, chain.position, entry.content())
        entry.position, entry.seal = chain.position, chain.seal
    AuditEntry.objects.bulk_update(entries, ["position", "seal"])
    chain.save()
    return len(entries)


def _verified(chain_id: int, expected: Mapping[tuple[int, int], str]) -> Report:
    report, found = Report(_chain(chain_id)), -1
    previous = START
    # Sealing goes on meanwhile: what was sealed since the chain's end was read is gone through too, and then the end fits.
    while found != report.sealed:
        found, report.chain = report.sealed, _chain(chain_id)
        previous = _go_on(report, previous, expected)
    if (report.sealed, previous) != (report.chain.position, report.chain.seal):
        report.broken.append(
            f"the end is missing: {report.chain.position} entries were sealed, the last one found is {report.sealed}"
        )
    for organization_id, position in expected:
        if organization_id == chain_id and position > report.sealed:
            report.broken.append(f"position {position}, which was noted, is missing")
    waiting = _entries(chain_id).filter(position=None).order_by("pk")
    report.unsealed = waiting.count()
    oldest = waiting.first()
    report.oldest_unsealed_at = oldest.created_at if oldest else None
    return report


def _go_on(report: Report, previous: str, expected: Mapping[tuple[int, int], str]) -> str:
    """Go through the entries behind those that were seen, the last of which has the seal `previous`; return the last one's."""
    sealed = _entries(report.chain.pk).exclude(position=None).order_by("position", "pk")
    rows = sealed.filter(position__gt=report.sealed) if report.sealed else sealed
    for entry in rows.iterator(chunk_size=_CHUNK):
        report.sealed += 1
        if entry.position != report.sealed:
            report.broken.append(
                f"position {report.sealed} is missing or not single: entry {entry.pk} has {entry.position}"
            )
            report.sealed = entry.position or 0
        elif entry.seal != seal_of(previous, entry.position, entry.content()):
            report.broken.append(f"entry {entry.pk} at position {entry.position} was changed")
        if expected.get((report.chain.pk, entry.position or 0), entry.seal) != entry.seal:
            report.broken.append(f"position {entry.position} has another seal than the one that was noted")
        previous = entry.seal
    return previous


def _chain(chain_id: int) -> AuditChain:
    # Where nothing was sealed yet there is no chain: then nothing sealed may be found, and the rest is its tail.
    return AuditChain.objects.filter(pk=chain_id).first() or AuditChain(organization_id=chain_id, seal=START)


def _entries(chain_id: int) -> QuerySet[AuditEntry]:
    if chain_id == NO_ORGANIZATION:
        return AuditEntry.objects.filter(organization_id__isnull=True)
    return AuditEntry.objects.filter(organization_id=chain_id)
