"""Labels of collectors, written inside the acts that register and change them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from collectors.domain import labels, limits
from collectors.domain.labels import BadLabel, Fault
from collectors.models import Collector, CollectorTag
from collectors.services.errors import Refused


def written(*, region: str | None = None, tags: Sequence[str] | None = None) -> tuple[str | None, Sequence[str] | None]:
    """Return both as labels are written, None where none is given. Raises `Refused`, which names the member at fault."""
    member = "region"
    try:
        place = None if region is None else labels.region(region)
        member = "tags"
        return place, None if tags is None else labels.tags(tags)
    except BadLabel as error:
        raise Refused(said(error), code="invalid", errors={member: [said(error)]}) from error


def said(error: BadLabel) -> str:
    """Return in words what is wrong."""
    if error.fault is Fault.TOO_MANY:
        return _("A collector has at most %(count)d tags.") % {"count": limits.MAX_TAGS}
    if error.fault is Fault.TOO_LONG:
        words = {"count": limits.MAX_LABEL_CHARACTERS, "label": error.label}
        return _("A label has at most %(count)d characters: %(label)s") % words
    return _(
        "A label is one word of letters, digits and . : / @ + - _ that begins with a letter or digit: %(label)s"
    ) % {"label": error.label}


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
