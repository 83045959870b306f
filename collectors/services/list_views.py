"""What people keep of how they look at lists: filters under names, and columns. Each person's own, and nobody else's."""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.models import ListColumns, SavedFilter, User
from collectors.services import audit
from collectors.services.errors import Conflict, Refused


@transaction.atomic
def save_filter(*, user: User, name: str, query: str, is_default: bool, actor: Actor) -> SavedFilter:
    """Keep a filter under a name; one of the same name is replaced. Raises `Refused` when there are too many."""
    User.objects.select_for_update().get(pk=user.pk)
    others = SavedFilter.objects.filter(user=user).exclude(name=name)
    if others.count() >= limits.MAX_SAVED_FILTERS:
        said = gettext("You have %(count)d saved filters. Remove one first.") % {"count": limits.MAX_SAVED_FILTERS}
        raise Refused(said, code="too_many_filters")
    if is_default:
        others.filter(is_default=True).update(is_default=False)
    row, _ = SavedFilter.objects.update_or_create(
        user=user, name=name, defaults={"query": query, "is_default": is_default}
    )
    _record(row, actor, action="saved_filter.save", query=query, is_default=is_default)
    return row


@transaction.atomic
def rename_filter(*, saved: SavedFilter, name: str, actor: Actor) -> None:
    """Give a filter another name. Raises `Conflict` when the person has another one of that name."""
    User.objects.select_for_update().get(pk=saved.user_id)
    if SavedFilter.objects.filter(user_id=saved.user_id, name=name).exclude(pk=saved.pk).exists():
        raise Conflict(gettext("You have another filter called %(name)s.") % {"name": name}, code="exists")
    SavedFilter.objects.filter(pk=saved.pk).update(name=name)
    saved.refresh_from_db()
    _record(saved, actor, action="saved_filter.rename")


@transaction.atomic
def choose_default(*, saved: SavedFilter, is_default: bool, actor: Actor) -> None:
    """Let the list begin with this filter, or with none of them."""
    User.objects.select_for_update().get(pk=saved.user_id)
    SavedFilter.objects.filter(user_id=saved.user_id, is_default=True).update(is_default=False)
    SavedFilter.objects.filter(pk=saved.pk).update(is_default=is_default)
    _record(saved, actor, action="saved_filter.choose_default", is_default=is_default)


@transaction.atomic
def remove_filter(*, saved: SavedFilter, actor: Actor) -> None:
    """Forget a filter."""
    _record(saved, actor, action="saved_filter.remove")
    saved.delete()


@transaction.atomic
def choose_columns(*, user: User, columns: Sequence[str]) -> None:
    """Show these columns from now on; none of them means those that are shown to everybody. Taste is not audited."""
    if not columns:
        ListColumns.objects.filter(user=user).delete()
        return
    ListColumns.objects.update_or_create(user=user, defaults={"columns": list(columns)})


def _record(saved: SavedFilter, actor: Actor, *, action: str, **after: object) -> None:
    audit.record(actor=actor, action=action, row=saved, organization_id=None, after={"name": saved.name, **after})
