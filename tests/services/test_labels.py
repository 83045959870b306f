"""Region and tags of collectors."""

import pytest

from collectors.domain import limits
from collectors.domain.sources import Engine
from collectors.models import AuditEntry, Collector, CollectorTag
from collectors.services import labels as services
from collectors.services.collectors import change_collector, delete_collector, register_collector
from collectors.services.errors import Refused
from tests.cast import SOMEBODY, Cast


def tags_of(collector: Collector) -> list[str]:
    return list(CollectorTag.objects.filter(collector=collector).values_list("tag", flat=True))


def test_labels_are_kept_in_lower_case_each_once_and_audited(cast: Cast) -> None:
    change_collector(collector=cast.collector, region=" EU-West-1 ", tags=["Prod", "billing", "prod"], actor=SOMEBODY)
    assert (Collector.objects.get(pk=cast.collector.pk).region, tags_of(cast.collector)) == (
        "eu-west-1",
        ["billing", "prod"],
    )
    assert set(CollectorTag.objects.values_list("organization_id", flat=True)) == {cast.example.pk}
    entry = AuditEntry.objects.filter(action="collector.change").get()
    assert entry.before == {"region": "", "tags": []}
    assert entry.after == {"region": "eu-west-1", "tags": ["billing", "prod"]}


def test_the_same_labels_again_change_nothing(cast: Cast) -> None:
    for _ in range(2):
        change_collector(collector=cast.collector, region="eu", tags=["a", "b"], actor=SOMEBODY)
    assert AuditEntry.objects.filter(action="collector.change").count() == 1


def test_tags_are_replaced_and_what_is_not_given_stays(cast: Cast) -> None:
    change_collector(collector=cast.collector, region="eu", tags=["a", "b"], actor=SOMEBODY)
    change_collector(collector=cast.collector, tags=["b", "c"], actor=SOMEBODY)
    change_collector(collector=cast.collector, name="other", actor=SOMEBODY)
    assert tags_of(cast.collector) == ["b", "c"]
    assert Collector.objects.get(pk=cast.collector.pk).region == "eu"
    change_collector(collector=cast.collector, region="", tags=[], actor=SOMEBODY)
    assert tags_of(cast.collector) == []
    assert Collector.objects.get(pk=cast.collector.pk).region == ""


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tags", ["two words"]),
        ("tags", ["a,b"]),
        ("tags", [""]),
        ("tags", ["x" * (limits.MAX_LABEL_CHARACTERS + 1)]),
        ("tags", [f"t{number}" for number in range(limits.MAX_TAGS + 1)]),
        ("tags", ["nul\x00"]),
        ("region", "eu west"),
        ("region", "-"),
        ("region", "x" * (limits.MAX_LABEL_CHARACTERS + 1)),
    ],
)
def test_what_is_no_label_is_refused_with_the_member_at_fault(cast: Cast, member: str, value: object) -> None:
    with pytest.raises(Refused) as refusal:
        change_collector(collector=cast.collector, actor=SOMEBODY, **{member: value})  # type: ignore[arg-type]
    assert list(refusal.value.errors) == [member]
    assert tags_of(cast.collector) == []


def test_why_a_label_is_refused_is_said_in_the_language_of_whoever_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_", lambda text: f"in another language: {text}")
    for region in ("two words", "x" * (limits.MAX_LABEL_CHARACTERS + 1)):
        with pytest.raises(Refused, match="in another language: A label"):
            services.written(region=region)
    with pytest.raises(Refused, match="in another language: A collector has at most 20 tags"):
        services.written(tags=[f"t{number}" for number in range(limits.MAX_TAGS + 1)])


def test_a_collector_is_registered_with_labels_and_takes_them_along_when_it_goes(cast: Cast) -> None:
    collector = register_collector(
        team=cast.shop, name="new", engine=Engine.MYSQL, config={}, region="EU", tags=["B", "a"], actor=SOMEBODY
    ).collector
    assert (collector.region, tags_of(collector)) == ("eu", ["a", "b"])
    entry = AuditEntry.objects.filter(action="collector.register", object_id=collector.pk).get()
    assert (entry.after["region"], entry.after["tags"]) == ("eu", ["a", "b"])
    delete_collector(collector=collector, actor=SOMEBODY)
    assert not CollectorTag.objects.exists()


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (["two words"], "A label is one word"),
        (["x" * (limits.MAX_LABEL_CHARACTERS + 1)], "A label has at most"),
        ([f"t{number}" for number in range(limits.MAX_TAGS + 1)], "A collector has at most"),
    ],
)
def test_what_is_wrong_with_a_label_is_said_in_the_language_of_whoever_asks(
    tags: list[str], said: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.services.labels._", lambda text: f"in Italian: {text}")
    with pytest.raises(Refused) as caught:
        change_collector(collector=cast.collector, tags=tags, actor=SOMEBODY)
    (told,) = caught.value.errors["tags"]
    assert told.startswith(f"in Italian: {said}")
    assert "%(" not in told
