"""Database connections at rest."""

import pytest
from cryptography.fernet import Fernet

from collectors.services import configs, encryption
from collectors.services.errors import Refused

CONFIG = {"host": "db1", "user": "dbpower", "password": "canary-password", "tls": {"mode": "require"}}


def test_what_is_stored_shows_nothing_and_opens_again() -> None:
    ciphertext = configs.encrypt(collector_id=7, config=CONFIG)
    assert "canary" not in ciphertext
    assert "db1" not in ciphertext
    assert configs.decrypt(collector_id=7, ciphertext=ciphertext) == CONFIG


def test_the_same_configuration_never_looks_the_same() -> None:
    assert configs.encrypt(collector_id=7, config=CONFIG) != configs.encrypt(collector_id=7, config=CONFIG)


def test_a_ciphertext_of_another_collector_is_refused() -> None:
    ciphertext = configs.encrypt(collector_id=7, config=CONFIG)
    with pytest.raises(Refused, match="another collector") as refusal:
        configs.decrypt(collector_id=8, ciphertext=ciphertext)
    assert refusal.value.code == "config_unreadable"
    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    "ciphertext",
    ["x", "gAAAAA", Fernet(Fernet.generate_key()).encrypt(b"{}").decode()],
    ids=["too short", "cut off", "another key"],  # Names that are the same in every process of the run.
)
def test_what_no_key_opens_is_refused(ciphertext: str) -> None:
    with pytest.raises(Refused) as refusal:
        configs.decrypt(collector_id=7, ciphertext=ciphertext)
    assert refusal.value.code == "config_unreadable"
    assert not encryption.is_newest(ciphertext)


def test_nothing_stored_is_an_empty_configuration() -> None:
    assert configs.decrypt(collector_id=7, ciphertext="") == {}


def test_the_password_is_the_one_secret() -> None:
    assert configs.without_secrets(CONFIG) == {"host": "db1", "user": "dbpower", "tls": {"mode": "require"}}
