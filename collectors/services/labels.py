"""Labels of collectors, written inside the acts that register and change them."""

from collections.abc import Sequence

from collectors.domain import labels
from collectors.models import Collector, CollectorTag
from collectors.services.errors import Refused


def written(*, region: str | None = None, tags: Sequence[str] | None = None) -> tuple[str | None, Sequence[str] | None]:
    """Return both as labels are written, None where none is given. Raises `Refused`, which names the member at fault."""
    member = "region"
    try:
        place = None if region is None else labels.region(region)
        member = "tags"
        return place, None if tags is None else labels.tags(tags)
    except labels.BadLabel as error:
        raise Refused(str(error), code="invalid", errors={member: [str(error)]}) from error


def replace_tags(*, collector: Collector, tags: Sequence[str]) -> list[str]:
    """Give the collector these tags and no others; return those that it had. The caller holds its lock and writes the audit."""
    present = list(CollectorTag.objects.filter(collector=collector).values_list("tag", flat=True))
    if set(present) != set(tags):
        CollectorTag.objects.filter(collector=collector).exclude(tag__in=tags).delete()
        CollectorTag.objects.bulk_create(
            CollectorTag(collector=collector, organization_id=collector.organization_id, tag=tag)
            for tag in tags
            if tag not in present
        )
    return present
