"""`manage.py rotate_encryption_key`."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError
from pytest_django import Settings

from collectors.models import Collector
from tests.cast import Cast
from tests.management.calling import call

pytestmark = pytest.mark.django_db


def test_everything_is_re_encrypted_and_the_old_key_is_needed_no_more(cast: Cast, settings: Settings) -> None:
    new = Fernet.generate_key().decode()
    settings.DBPOWER_ENCRYPTION_KEYS = [new, *settings.DBPOWER_ENCRYPTION_KEYS]
    assert (
        call("rotate_encryption_key") == "3 of 3 secrets seen, 3 re-encrypted, 0 under the newest key already\nDone.\n"
    )
    again = "3 of 3 secrets seen, 0 re-encrypted, 3 under the newest key already\nDone.\n"
    assert call("rotate_encryption_key") == again
    for ciphertext in Collector.objects.values_list("config", flat=True):
        assert b"canary-database-password" in Fernet(new).decrypt(ciphertext.encode())


def test_what_no_key_opens_is_named_after_the_rest_is_done(cast: Cast) -> None:
    Collector.objects.filter(pk=cast.collector.pk).update(config="broken")
    with pytest.raises(CommandError, match=rf"stored of: collector {cast.collector.pk}\."):
        call("rotate_encryption_key")


def test_what_belongs_to_another_row_is_named(cast: Cast) -> None:
    moved = Collector.objects.get(pk=cast.foreign_collector.pk).config
    Collector.objects.filter(pk=cast.collector.pk).update(config=moved)
    with pytest.raises(CommandError, match=rf"another row: collector {cast.collector.pk}\."):
        call("rotate_encryption_key")


def test_an_installation_without_collectors_has_nothing_to_do() -> None:
    assert call("rotate_encryption_key") == "Done.\n"
