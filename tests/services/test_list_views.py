"""Filters and columns that people keep for themselves."""

import pytest

from collectors.domain import limits
from collectors.models import AuditEntry, ListColumns, SavedFilter, User
from collectors.services import list_views
from collectors.services.errors import Conflict, Refused
from tests.cast import SOMEBODY, Cast


def save(user: User, name: str, *, query: str = "errors=any", is_default: bool = False) -> SavedFilter:
    return list_views.save_filter(user=user, name=name, query=query, is_default=is_default, actor=SOMEBODY)


def defaults(user: User) -> list[str]:
    return list(SavedFilter.objects.filter(user=user, is_default=True).values_list("name", flat=True))


def test_a_filter_of_the_same_name_is_replaced(cast: Cast) -> None:
    save(cast.bob, "mine")
    save(cast.bob, "mine", query="region=eu")
    save(cast.alice, "mine", query="tag=x")
    assert [(row.user_id, row.query) for row in SavedFilter.objects.order_by("user_id")] == [
        (cast.alice.pk, "tag=x"),
        (cast.bob.pk, "region=eu"),
    ]
    assert AuditEntry.objects.filter(action="saved_filter.save").count() == 3


def test_at_most_one_is_shown_first(cast: Cast) -> None:
    first = save(cast.bob, "first", is_default=True)
    second = save(cast.bob, "second", is_default=True)
    save(cast.alice, "hers", is_default=True)
    assert defaults(cast.bob) == ["second"]
    list_views.choose_default(saved=first, is_default=True, actor=SOMEBODY)
    assert defaults(cast.bob) == ["first"]
    list_views.choose_default(saved=second, is_default=False, actor=SOMEBODY)
    assert defaults(cast.bob) == []
    assert defaults(cast.alice) == ["hers"]


def test_a_name_is_taken_once(cast: Cast) -> None:
    saved = save(cast.bob, "first")
    save(cast.bob, "second")
    with pytest.raises(Conflict):
        list_views.rename_filter(saved=saved, name="second", actor=SOMEBODY)
    list_views.rename_filter(saved=saved, name="third", actor=SOMEBODY)
    assert saved.name == "third"
    list_views.remove_filter(saved=saved, actor=SOMEBODY)
    assert list(SavedFilter.objects.values_list("name", flat=True)) == ["second"]


def test_their_number_is_bounded(cast: Cast) -> None:
    for number in range(limits.MAX_SAVED_FILTERS):
        save(cast.bob, f"filter {number}")
    with pytest.raises(Refused):
        save(cast.bob, "one more")
    save(cast.bob, "filter 3", query="changed=1")
    save(cast.alice, "hers")


def test_columns_are_kept_and_forgotten(cast: Cast) -> None:
    list_views.choose_columns(user=cast.bob, columns=["errors", "team"])
    list_views.choose_columns(user=cast.bob, columns=["errors"])
    assert ListColumns.objects.get().columns == ["errors"]
    list_views.choose_columns(user=cast.bob, columns=[])
    assert not ListColumns.objects.exists()
