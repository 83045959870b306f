"""The secrets of an installation."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from dbpower import secrets


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DBPOWER_SECRET_KEY", "DBPOWER_ENCRYPTION_KEYS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_the_first_start_makes_them_and_the_next_reads_them(tmp_path: Path) -> None:
    first, second = secrets.load(tmp_path / "data"), secrets.load(tmp_path / "data")
    assert (first.secret_key, first.encryption_keys) == (second.secret_key, second.encryption_keys)
    assert stat.S_IMODE((tmp_path / "data/secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secrets.json"]


def test_of_processes_that_start_at_once_all_have_the_same(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from dbpower import secrets; print(secrets.load(pathlib.Path(sys.argv[1])).secret_key)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = [process.communicate(timeout=60)[0] for process in started]
    assert len(set(keys)) == 1
    assert len(keys[0]) > 40


def test_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    (tmp_path / "key").write_text("k" * 40 + "\n")
    monkeypatch.setenv("DBPOWER_SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("DBPOWER_ENCRYPTION_KEYS", f"{new}, {old}")
    loaded = secrets.load(tmp_path / "data")
    assert (loaded.secret_key, loaded.encryption_keys) == ("k" * 40, [new, old])
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"secret_key": "x"}', json.dumps({"secret_key": "x" * 40, "encryption_keys": 5})]
)
def test_a_file_that_cannot_be_used_stops_the_start_and_is_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(ImproperlyConfigured, match="Restore it from a backup"):
        secrets.load(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == content


def test_neither_shows_in_a_traceback(tmp_path: Path) -> None:
    loaded = secrets.load(tmp_path)
    assert loaded.secret_key not in repr(loaded)
