"""Changing the encryption key: complete, resumable, never over somebody's newer configuration."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from pytest_django import Settings

from collectors.domain.sources import Engine
from collectors.models import Collector, SecondFactor
from collectors.services import configs, encryption, reencryption
from collectors.services.collectors import change_collector
from tests.cast import SOMEBODY, Cast, register

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(settings: Settings) -> list[str]:
    """The new key and the old one, under which the cast was stored."""
    old = settings.DBPOWER_ENCRYPTION_KEYS
    settings.DBPOWER_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *old]
    return list(settings.DBPOWER_ENCRYPTION_KEYS)


def opened_by(key: str) -> int:
    count = 0
    for ciphertext in Collector.objects.values_list("config", flat=True):
        try:
            Fernet(key).decrypt(ciphertext.encode())
        except Exception:  # noqa: BLE001 - whatever it is, this key does not open it
            continue
        count += 1
    return count


def test_everything_is_under_the_newest_key_afterwards(cast: Cast, keys: list[str], settings: Settings) -> None:
    assert opened_by(keys[0]) == 0
    last = list(reencryption.reencrypt_all())[-1]
    assert (last.total, last.seen, last.changed, last.unreadable) == (3, 3, 3, [])
    assert opened_by(keys[0]) == 3
    settings.DBPOWER_ENCRYPTION_KEYS = keys[:1]
    collector = Collector.objects.get(pk=cast.collector.pk)
    config = configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)
    assert config["password"] == "canary-database-password"


def test_it_can_be_stopped_anywhere_and_done_again(
    cast: Cast, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reencryption, "_CHUNK", 2)
    next(iter(reencryption.reencrypt_all()))
    assert opened_by(keys[0]) == 2
    again = [(progress.seen, progress.changed, progress.done) for progress in reencryption.reencrypt_all()]
    assert again == [(2, 0, 2), (3, 1, 2)]
    assert opened_by(keys[0]) == 3


def test_a_row_that_is_done_is_not_written_again(cast: Cast, keys: list[str]) -> None:
    list(reencryption.reencrypt_all())
    before = list(Collector.objects.order_by("pk").values_list("config", flat=True))
    last = list(reencryption.reencrypt_all())[-1]
    assert (last.changed, last.done) == (0, 3)
    assert list(Collector.objects.order_by("pk").values_list("config", flat=True)) == before


def test_what_belongs_to_another_row_is_named_and_left_alone(cast: Cast, keys: list[str]) -> None:
    moved = Collector.objects.get(pk=cast.foreign_collector.pk).config
    Collector.objects.filter(pk=cast.collector.pk).update(config=moved)
    user = cast.bob
    for person in (cast.alice, user):
        SecondFactor.objects.create(user=person, secret=encryption.seal({"user_id": cast.alice.pk, "secret": "s"}))
    last = list(reencryption.reencrypt_all())[-1]
    assert last.foreign == [f"collector {cast.collector.pk}", f"second factor of user {user.pk}"]
    assert (last.changed, last.done, last.unreadable) == (2, 1, [])
    assert Collector.objects.get(pk=cast.collector.pk).config == moved


def test_what_no_key_opens_is_named_and_left_alone(cast: Cast, keys: list[str]) -> None:
    Collector.objects.filter(pk=cast.collector.pk).update(config="broken")
    last = list(reencryption.reencrypt_all())[-1]
    assert (last.changed, last.unreadable) == (2, [f"collector {cast.collector.pk}"])
    assert Collector.objects.get(pk=cast.collector.pk).config == "broken"


def test_a_configuration_that_changed_in_between_is_not_overwritten(
    cast: Cast, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reencrypt = encryption.unseal
    own = Collector.objects.get(pk=cast.collector.pk).config

    def changed_meanwhile(ciphertext: str) -> dict[str, Any] | None:
        if ciphertext == own:
            monkeypatch.setattr(encryption, "unseal", reencrypt)
            change_collector(collector=cast.collector, actor=SOMEBODY, config={"host": "newer", "password": "p"})
        return reencrypt(ciphertext)

    monkeypatch.setattr(encryption, "unseal", changed_meanwhile)
    list(reencryption.reencrypt_all())
    collector = Collector.objects.get(pk=cast.collector.pk)
    assert configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)["host"] == "newer"


def test_collectors_without_a_configuration_are_passed_over(cast: Cast, keys: list[str]) -> None:
    collector, _ = register(cast.shop, "bare", Engine.MYSQL)
    Collector.objects.filter(pk=collector.pk).update(config="")
    assert list(reencryption.reencrypt_all())[-1].total == 3
