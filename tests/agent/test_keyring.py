"""The agent's keys on its disk."""

import json
import os
import stat
from pathlib import Path

import pytest

from dbpower_agent.atomic_files import write_atomically
from dbpower_agent.client import Answer
from dbpower_agent.keyring import KeyRing, KeysUnusableError
from dbpower_agent.rotation import KeyRotation
from dbpower_agent.state import AgentState

FIRST = "collector_7_" + "a" * 43


def ring(folder: Path, configured: str = FIRST) -> KeyRing:
    return KeyRing(folder, configured)


def test_without_a_rotation_nothing_is_stored(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    assert (keys.current, keys.pending_sha256) == (FIRST, None)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_was_made_is_on_the_disk_for_its_owner_alone_before_it_is_told(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(7)
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = ring(tmp_path)
    assert (again.current, again.pending_sha256) == (FIRST, keys.pending_sha256)
    again.switch()
    assert ring(tmp_path).current == again.current != FIRST
    assert again.current.startswith("collector_7_")
    assert len(again.current) == len(FIRST)


def test_a_refused_key_gives_way_to_the_other_one_and_back(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    assert not keys.fall_back()
    keys.make(7)
    keys.switch()
    new = keys.current
    assert keys.fall_back()
    assert (keys.current, ring(tmp_path).current) == (FIRST, FIRST)
    assert keys.fall_back()
    assert keys.current == new


def test_a_pending_key_is_tried_when_the_current_one_is_refused(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(7)
    assert keys.fall_back()
    assert (keys.current != FIRST, keys.pending_sha256) == (True, None)


def test_another_configured_key_wins(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(7)
    keys.switch()
    other = "collector_7_" + "b" * 43
    assert ring(tmp_path, other).current == other


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"follows": 1}', "\xff", json.dumps({"current": 7})])
def test_a_damaged_file_is_as_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").touch(mode=0o600)
    (tmp_path / "keys.json").write_bytes(content.encode("latin-1"))
    assert ring(tmp_path).current == FIRST


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_disk_that_takes_nothing_leaves_everything_as_it_was_for_anybody(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    keys = ring(tmp_path)
    with pytest.raises(OSError, match="denied"):
        keys.make(7)
    assert keys.pending_sha256 is None


def test_a_directory_that_is_gone_leaves_everything_as_it_was(tmp_path: Path) -> None:
    keys = ring(tmp_path / "gone")
    with pytest.raises(OSError, match="No such file"):
        keys.make(7)
    assert (keys.current, keys.pending_sha256) == (FIRST, None)


def test_everything_it_holds_is_masked(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(7)
    keys.switch()
    keys.make(7)
    assert len(set(keys.secrets)) == 3


def test_every_key_that_the_agent_has_is_tried_and_the_configured_one_too(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    for _ in range(3):
        keys.make(7)
        keys.switch()
    keys.make(7)
    have = {*keys.secrets}
    assert len(have) == 4
    tried = [keys.current]
    for _ in range(len(have)):
        assert keys.fall_back()
        assert ring(tmp_path).current == keys.current
        tried.append(keys.current)
    assert set(tried) == have
    assert tried[-1] == tried[0]


def test_a_key_that_works_again_is_the_one_that_a_rotation_follows_from(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    for _ in range(2):
        keys.make(7)
        keys.switch()
    while keys.current != FIRST:
        keys.fall_back()
    keys.make(7)
    keys.switch()
    assert FIRST in keys.secrets
    assert ring(tmp_path).current == keys.current


def test_keys_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(7)
    keys.switch()
    (tmp_path / "keys.json").rename(tmp_path / "elsewhere")
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(KeysUnusableError, match="cannot be read"):
        ring(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_keys_that_are_open_to_others_are_refused(mode: int, tmp_path: Path) -> None:
    ring(tmp_path).make(7)
    (tmp_path / "keys.json").chmod(mode)
    with pytest.raises(KeysUnusableError, match="chmod 600"):
        ring(tmp_path)


def test_what_a_kill_left_of_a_write_is_removed(tmp_path: Path) -> None:
    keys = ring(tmp_path)
    keys.make(7)
    (tmp_path / ".keys.json.4711.tmp").write_text("canary")
    keys.tidy()
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_a_file_that_somebody_prepared_is_never_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbpower_agent.atomic_files.secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".x.json.guessed.tmp").touch(mode=0o666)
    with pytest.raises(FileExistsError):
        write_atomically(tmp_path / "x.json", b"canary")
    assert (tmp_path / ".x.json.guessed.tmp").read_bytes() == b""


def test_a_file_is_for_its_owner_alone_whatever_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        write_atomically(tmp_path / "x.json", b"canary")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "ending", ["the backend wants none any more", "the backend has taken another", "the key is told"]
)
def test_a_key_that_could_not_be_stored_is_an_error_until_there_is_none_to_store(ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    state = AgentState(collection_interval_minutes=5, config_version=1)
    rotation = KeyRotation(ring(folder), state, collector_id=7, allowed=True, on_new_key=lambda: None)

    class Backend:
        def tell_key(self, sha256: str) -> Answer:
            return Answer(409 if ending == "the backend has taken another" else 200)

    def step(*, wanted: bool) -> bool:
        return rotation.step(Backend(), wanted=wanted)  # type: ignore[arg-type]

    assert not step(wanted=True)
    assert state.heartbeat_body()["error"] == "the new collector key cannot be stored: No such file or directory"
    folder.mkdir()
    assert step(wanted=ending != "the backend wants none any more") == (ending == "the key is told")
    assert state.heartbeat_body()["error"] is None
