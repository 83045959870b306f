"""What people keep of how they look at the list of collectors, in the admin."""

from typing import Any

import pytest
from django.urls import reverse

from collectors.admin import concerns
from collectors.models import ListColumns, SavedFilter
from collectors.services.attention import Concern, Finding
from tests.admin.conftest import Visit
from tests.cast import Cast

LIST = reverse("admin:collectors_collector_changelist")
COLUMNS = reverse("admin:collectors_collector_columns")
FILTERS = reverse("admin:collectors_collector_filters")


def test_columns_are_chosen_for_oneself(cast: Cast, visit: Visit) -> None:
    bob, alice = visit(cast.bob), visit(cast.alice)
    response = bob.post(COLUMNS, {"column": ["name", "type", "errors", "api_key_hash"], "list": "tag=x"})
    assert response.headers["Location"] == f"{LIST}?tag=x"
    assert [column.name for column in bob.get(LIST).context["cl"].columns] == ["name", "errors", "type"]
    assert len(alice.get(LIST).context["cl"].columns) > 5
    bob.post(COLUMNS, {"reset": "1"})
    assert not ListColumns.objects.exists()


def test_a_filter_is_saved_shown_first_renamed_and_removed(cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    query = "tag=prod&p=3&o=-errors&evil=1&q="
    response = client.post(FILTERS, {"save": "1", "name": "Mine", "query": query, "is_default": "on"})
    assert response.headers["Location"] == f"{LIST}?o=-errors&tag=prod"
    saved = SavedFilter.objects.get()
    assert (saved.user_id, saved.query) == (cast.bob.pk, "o=-errors&tag=prod")
    assert client.get(LIST).headers["Location"] == f"{LIST}?o=-errors&tag=prod"
    segments = client.get(LIST, {"q": ""}).context["cl"].segments
    assert [(segment.title, segment.chosen, segment.is_default) for segment in segments] == [
        ("All", True, False),
        ("Mine", False, True),
    ]
    chosen = client.get(f"{LIST}?tag=prod&o=-errors").context["cl"].segments
    assert [segment.chosen for segment in chosen] == [False, True]
    client.post(FILTERS, {"rename": "1", "filter": saved.pk, "name": "Ours"})
    client.post(FILTERS, {"default": "0", "filter": saved.pk})
    saved.refresh_from_db()
    assert (saved.name, saved.is_default) == ("Ours", False)
    assert client.get(LIST).status_code == 200
    client.post(FILTERS, {"remove": "1", "filter": saved.pk})
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize("act", [{"remove": "1"}, {"rename": "1", "name": "stolen"}, {"default": "1"}])
def test_somebody_elses_filter_is_like_one_that_is_not_there(act: dict[str, str], cast: Cast, visit: Visit) -> None:
    visit(cast.alice).post(FILTERS, {"save": "1", "name": "hers", "query": "tag=x"})
    hers = SavedFilter.objects.values().get()
    for who in (cast.bob, cast.root):
        for pk in (hers["id"], 999_999, "x", "9" * 30):
            assert visit(who).post(FILTERS, {"filter": pk, **act}).status_code == 404
    assert SavedFilter.objects.values().get() == hers
    assert b"hers" not in visit(cast.bob).get(FILTERS).content


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "\x00"])
def test_a_filter_needs_a_name(name: str, cast: Cast, visit: Visit) -> None:
    client = visit(cast.bob)
    response = client.post(FILTERS, {"save": "1", "name": name, "query": "tag=x", "list": "tag=x"}, follow=True)
    assert b"A filter needs a name" in response.content
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize("concern", [Concern.DUPLICATE, Concern.KEYS])
def test_what_a_finding_leads_to_is_not_narrowed_by_the_filter_that_is_shown_first(
    concern: Concern, cast: Cast, visit: Visit
) -> None:
    client = visit(cast.bob)
    client.post(FILTERS, {"save": "1", "name": "Mine", "query": "tag=none", "is_default": "on"})
    answer: Any = client.get(concerns.told(Finding(concern, 1)).address, follow=True)
    assert [row.pk for row in answer.context["cl"].result_list] == [cast.collector.pk]
