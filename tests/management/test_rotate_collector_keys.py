"""`manage.py rotate_collector_keys`."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.db.models.functions import Now
from django.utils import timezone

from collectors.domain.keys import digest_of
from collectors.management.commands import rotate_collector_keys
from collectors.models import AuditEntry, Collector
from collectors.services import collector_keys, heartbeats
from tests.cast import SOMEBODY, Cast
from tests.management.calling import call, call_both

pytestmark = pytest.mark.django_db
NAME = "rotate_collector_keys"


def hashes() -> list[str]:
    return list(Collector.objects.order_by("pk").values_list("api_key_hash", flat=True))


def rotated(*options: str) -> dict[int, str]:
    lines = call(NAME, *options, "--show-keys").splitlines()
    return {row["collector_id"]: row["api_key"] for row in map(json.loads, lines)}


def test_new_keys_work_and_the_old_ones_for_the_overlap(cast: Cast) -> None:
    keys = rotated("--collector", str(cast.collector.pk), "--overlap-hours", "2")
    assert list(keys) == [cast.collector.pk]
    collector = Collector.objects.get(pk=cast.collector.pk)
    assert collector.verify_api_key(keys[collector.pk])
    assert collector.verify_api_key(cast.key)
    assert collector.previous_key_expires_at is not None
    assert abs(collector.previous_key_expires_at - timezone.now() - timedelta(hours=2)) < timedelta(seconds=5)
    assert AuditEntry.objects.latest("pk").actor == "manage.py rotate_collector_keys"


def test_without_overlap_the_old_key_ends_at_once(cast: Cast) -> None:
    rotated("--collector", str(cast.collector.pk), "--overlap-hours", "0")
    assert not Collector.objects.get(pk=cast.collector.pk).verify_api_key(cast.key)


def test_a_selection_is_a_team_an_organization_an_age_or_all(cast: Cast) -> None:
    Collector.objects.filter(pk=cast.warehouse_collector.pk).update(api_key_created_at=Now() - timedelta(days=40))
    assert set(rotated("--team", str(cast.shop.pk))) == {cast.collector.pk}
    assert set(rotated("--older-than", "30")) == {cast.warehouse_collector.pk}
    assert set(rotated("--organization", str(cast.example.pk))) == {cast.collector.pk, cast.warehouse_collector.pk}
    assert len(rotated("--all")) == 3
    with pytest.raises(CommandError, match="No collector is selected"):
        rotated("--all", "--older-than", "30")


def test_a_dry_run_names_them_and_changes_nothing(cast: Cast) -> None:
    before = hashes()
    printed = call(NAME, "--all", "--dry-run")
    assert printed.count("would rotate collector") == 3
    assert hashes() == before
    assert "collector_" not in printed


def test_no_key_is_printed_or_lost_unless_it_was_asked_for(cast: Cast) -> None:
    before = hashes()
    with pytest.raises(CommandError, match="--show-keys"):
        call(NAME, "--all")
    assert hashes() == before


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--show-keys",),
        ("--all", "--overlap-hours", "-1"),
        ("--all", "--overlap-hours", "nan"),
        ("--all", "--overlap-hours", "1e12"),
        ("--older-than", "-1"),
        ("--older-than", "999999999999"),
        ("--collector", "999999"),
        ("--collector", "99999999999999999999"),
    ],
)
def test_options_that_make_no_sense_are_refused_and_change_nothing(cast: Cast, options: tuple[str, ...]) -> None:
    before = hashes()
    with pytest.raises(CommandError):
        call(NAME, *options, "--dry-run")
    assert hashes() == before


def test_agents_are_asked_to_make_their_keys_themselves(cast: Cast) -> None:
    before = hashes()
    printed = call(NAME, "--team", str(cast.shop.pk), "--by-agent")
    assert printed == f"asked the agent of collector {cast.collector.pk} (shop-mysql) for a new key\n"
    assert hashes() == before
    asked = Collector.objects.exclude(key_rotation_requested_at=None)
    assert [collector.pk for collector in asked] == [cast.collector.pk]
    with pytest.raises(CommandError, match="exclude each other"):
        call(NAME, "--all", "--by-agent", "--show-keys")


def test_run_again_after_its_output_was_lost_it_locks_nobody_out(cast: Cast) -> None:
    own = {cast.collector.pk: cast.key, cast.warehouse_collector.pk: cast.warehouse_key}
    for pk, key in own.items():
        heartbeats.authenticate(collector_id=pk, key_digest=digest_of(key))
    rotated("--organization", str(cast.example.pk))
    new = rotated("--organization", str(cast.example.pk))
    for pk, key in own.items():
        collector = Collector.objects.get(pk=pk)
        assert collector.verify_api_key(key), "the agent's key of before is still good"
        assert collector.verify_api_key(new[pk])


def test_progress_is_told_apart_from_the_keys(cast: Cast) -> None:
    printed, told = call_both(NAME, "--organization", str(cast.example.pk), "--show-keys")
    assert told.splitlines() == ["1 of 2 collectors done", "2 of 2 collectors done"]
    assert len(printed.splitlines()) == 2


@pytest.mark.parametrize("way", ["--show-keys", "--by-agent"])
def test_a_collector_that_is_removed_meanwhile_does_not_end_the_command(
    cast: Cast, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "rotate_key" if way == "--show-keys" else "request_rotation"
    real = getattr(rotate_collector_keys, name)

    def act(*, collector: Collector, **options: Any) -> Any:
        if collector.pk == cast.collector.pk:
            Collector.objects.filter(pk=collector.pk).delete()
        return real(collector=collector, **options)

    monkeypatch.setattr(rotate_collector_keys, name, act)
    printed, told = call_both(NAME, "--all", way)
    assert len(printed.splitlines()) == 2
    assert f"left out collector {cast.collector.pk} (shop-mysql): It was removed meanwhile." in told


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_agents_without_a_key_are_not_said_to_be_asked(cast: Cast, more: tuple[str, ...]) -> None:
    collector_keys.revoke(collector=cast.collector, actor=SOMEBODY)
    printed, told = call_both(NAME, "--team", str(cast.shop.pk), "--by-agent", *more)
    assert (printed, "by hand" in told) == ("", True)
    assert Collector.objects.get(pk=cast.collector.pk).key_rotation_requested_at is None
