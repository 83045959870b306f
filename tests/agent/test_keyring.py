"""The agent's keys on its disk."""

import json
import os
import stat
from pathlib import Path

import pytest

from dbpower_agent.keyring import KeyRing

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
