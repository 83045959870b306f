"""Labels of collectors, written inside the acts that register and change them."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from collectors.domain import labels, limits
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
        message = said(error)
        raise Refused(message, code="invalid", errors={member: [message]}) from error


def said(error: labels.BadLabel) -> str:
    """Return what is wrong with a label, in words."""
    match error.reason:
        case labels.Reason.LONG:
            known = {"most": limits.MAX_LABEL_CHARACTERS, "label": error.text}
            return _("A label has at most %(most)d characters: %(label)s") % known
        case labels.Reason.NO_WORD:
            known = {"label": error.text}
            return (
                _(
                    "A label is one word of letters, digits and . : / @ + - _ that begins with a letter or digit: %(label)s"
                )
                % known
            )
        case labels.Reason.MANY:
            return _("A collector has at most %(most)d tags.") % {"most": limits.MAX_TAGS}


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
