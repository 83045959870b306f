"""Settings from the environment: typed, or a message with the variable's name."""

import sys
import traceback
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from dbpower import environment, secrets


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X", raising=False)
    for name in ("X_FILE", "X_COMMAND", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("raw", "value"), [("", 7), ("8", 8), (" 9 ", 9)])
def test_a_whole_number(monkeypatch: pytest.MonkeyPatch, raw: str, value: int) -> None:
    monkeypatch.setenv("X", raw)
    assert environment.integer("X", 7, minimum=1, maximum=9) == value


@pytest.mark.parametrize("raw", ["0", "10", "1.5", "x"])
def test_a_number_that_is_none_or_out_of_range(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("X", raw)
    with pytest.raises(ImproperlyConfigured, match=r"^X="):
        environment.integer("X", 7, minimum=1, maximum=9)


@pytest.mark.parametrize(("raw", "value"), [("", True), ("YES", True), ("off", False), ("0", False)])
def test_a_truth(monkeypatch: pytest.MonkeyPatch, raw: str, value: bool) -> None:
    monkeypatch.setenv("X", raw)
    assert environment.boolean("X", default=True) is value


@pytest.mark.parametrize(("raw", "value"), [("", "INFO"), (" debug ", "DEBUG"), ("ERROR", "ERROR")])
def test_one_of_a_few_words(monkeypatch: pytest.MonkeyPatch, raw: str, value: str) -> None:
    monkeypatch.setenv("X", raw)
    assert environment.choice("X", "INFO", ("DEBUG", "INFO", "ERROR")) == value


def test_a_word_that_is_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", "loud")
    with pytest.raises(ImproperlyConfigured, match=r"^X='loud' is none of text, json\.$"):
        environment.choice("X", "text", ("text", "json"))


def test_a_secret_comes_from_a_file_or_from_the_variable_but_not_from_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))
    assert environment.text("X") == "from a file"
    monkeypatch.setenv("X", "y")
    with pytest.raises(ImproperlyConfigured, match="X and X_FILE are both set"):
        environment.text("X")


def test_words_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.words("X", ("a",)) == ["a"]
    monkeypatch.setenv("X", "a, b,,c ")
    assert environment.words("X") == ["a", "b", "c"]


def test_a_database_is_sqlite_or_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment.database("X", tmp_path)["NAME"] == str(tmp_path / "dbpower.sqlite3")
    monkeypatch.setenv("X", "postgres://us%40er:p%2Fw@[::1]:5433/na%20me?sslmode=require")
    found = environment.database("X", tmp_path)
    assert [found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "na me",
        "us@er",
        "p/w",
        "::1",
        "5433",
    ]
    assert found["OPTIONS"] == {"sslmode": "require", "connect_timeout": 5}


def shown_of(refusal: pytest.ExceptionInfo[ImproperlyConfigured]) -> str:
    """Return everything that a traceback prints."""
    return "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize(
    "address",
    [
        "mysql://user:canary@a/b",
        "postgresql://user:canary@a:x/b",
        "postgresql://user:canary@host",
        "postgresql://user:canary@host/",
        "canary",
        "canary://host/name",
        "postgresql://dbpower:canary/secret@db/x",
        "postgresql://dbpower:canary#secret@db/x",
        "postgresql://dbpower:canary?secret@db/x",
        "postgresql://dbpower:12/canary@db/x",
        "postgresql://dbpower:12/x#canary@db/x",
        "postgresql://dbpower:[canary@db/x",
        "postgresql://dbpower:can[ary]canary@db/x",
    ],
)
def test_an_address_that_is_none_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("X", address)
    with pytest.raises(ImproperlyConfigured, match="X") as refusal:
        environment.database("X", tmp_path)
    assert "canary" not in shown_of(refusal)


@pytest.mark.parametrize(
    "address",
    [
        "amqp://:canary@host",
        "canary",
        "redis://:canary/secret@host/0",
        "redis://:canary#secret@host/0",
        "redis://:12/canary@host/0",
        "rediss://:12?canary@host/0",
        "redis://:[canary@host/0",
    ],
)
def test_a_broker_that_is_none_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("X", address)
    with pytest.raises(ImproperlyConfigured, match="X") as refusal:
        environment.broker("X")
    assert "canary" not in shown_of(refusal)


@pytest.mark.parametrize(
    "address", ["", "redis://:p%2Fw@h:6379/0", "rediss://u:p@h/0?x=y", "unix:///run/redis.sock?db=0"]
)
def test_a_broker_is_a_redis_or_none(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("X", address)
    assert environment.broker("X") == address


def test_a_secret_that_is_no_text_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"canary \xff")
    monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))
    with pytest.raises(ImproperlyConfigured, match="X_FILE") as refusal:
        environment.text("X")
    assert "canary" not in shown_of(refusal)
    assert refusal.value.__cause__ is None


def test_keys_that_are_none_are_refused_without_showing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBPOWER_SECRET_KEY", "x" * 32)
    for keys in ("canary", "canary-é", "!" * 44):
        monkeypatch.setenv("DBPOWER_ENCRYPTION_KEYS", keys)
        with pytest.raises(ImproperlyConfigured, match="Key 1 of") as refusal:
            secrets.load(tmp_path)
        assert keys not in shown_of(refusal)
    monkeypatch.setenv("DBPOWER_ENCRYPTION_KEYS", "")
    (tmp_path / "secrets.json").write_text('{"secret_key": "canary')
    with pytest.raises(ImproperlyConfigured, match=r"secrets\.json") as refusal:
        secrets.load(tmp_path)
    assert "canary" not in shown_of(refusal)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from a file")
    for empty in ("", "  "):
        monkeypatch.setenv("X", empty)
        assert environment.text("X", "default") == "default"
        monkeypatch.setenv("X_COMMAND", empty)
        monkeypatch.setenv("X_FILE", str(tmp_path / "secret"))
        assert environment.text("X") == "from a file"
        monkeypatch.setenv("X_FILE", empty)
        monkeypatch.setenv("X_COMMAND", "echo printed")
        assert environment.text("X") == "printed"
        monkeypatch.delenv("X_FILE")
        monkeypatch.delenv("X_COMMAND")


def test_a_secret_comes_from_what_a_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBPOWER_SECRET_KEY", "not for others")
    monkeypatch.setenv("VAULT_ADDR", "https://vault.example.org")
    script = "import os; print(os.environ['VAULT_ADDR'], os.environ.get('DBPOWER_SECRET_KEY'))"
    monkeypatch.setenv("X_COMMAND", f'{sys.executable} -c "{script}"')
    assert environment.text("X") == "https://vault.example.org None"
    monkeypatch.setenv("X", "both")
    with pytest.raises(ImproperlyConfigured, match="X and X_COMMAND are both set"):
        environment.text("X")


@pytest.mark.parametrize(
    "command",
    [
        "/nowhere/vault read",
        "sh -c 'echo canary-secret; exit 3'",
        "sh -c 'echo canary-secret >&2'",
        "true",
        "'unclosed",
        "sh -c 'echo canary-secret; sleep 9'",
    ],
)
def test_a_command_that_gives_no_secret_stops_the_start_and_shows_none(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_COMMAND_SECONDS", 0.5)
    monkeypatch.setenv("X_COMMAND", command)
    with pytest.raises(ImproperlyConfigured, match="X_COMMAND gave no secret") as refused:
        environment.text("X")
    shown = "".join(traceback.format_exception(refused.value))
    assert "canary" not in shown.replace(command, "")


def test_no_shell_reads_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_COMMAND", "echo $HOME; echo `id`")
    assert environment.text("X") == "$HOME; echo `id`"


def test_a_secret_comes_from_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "X").write_text("of systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert environment.text("X") == "of systemd"
    assert environment.text("Y", "default") == "default"
    monkeypatch.setenv("X", "of the environment")
    assert environment.text("X") == "of the environment"
