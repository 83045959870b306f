"""Writing a configuration that `update_config` brought, so that a restart finds it, and never half of it.

It goes into the configuration file where the agent owns that file and may replace it. Where it may not (a read-only
mount, a file of root, members that come from the environment), it goes into `db_config.json` in the state directory.
That file names, by a digest, the `db_config` it replaces: when an operator changes the configuration by hand
afterwards, the digest no longer fits and the operator wins. A password of this host's own, from its configuration or from
where that says, is neither in that file nor in the digest: it is put in when the file is read, so that it may change.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dbpower_agent.atomic_files import write_atomically
from dbpower_agent.database_config import DatabaseConfig, parse_database_config

if TYPE_CHECKING:
    from pathlib import Path

    from dbpower_agent.config import AgentConfig

OVERRIDE_NAME: Final = "db_config.json"


def save_database_config(config: AgentConfig, db_config: DatabaseConfig, config_version: int) -> Path:
    """Store the new `db_config` and return the file that now holds it. Raise OSError when nothing could be written."""
    if not config.db_config_from_environment and _is_ours(config.path):
        try:
            _replace_in_file(config.path, db_config, config_version)
        except OSError:
            # The directory may be read-only although the file is ours; the state directory still works.
            pass
        else:
            (config.state_dir / OVERRIDE_NAME).unlink(missing_ok=True)
            return config.path
    target = config.state_dir / OVERRIDE_NAME
    override = {
        "replaces": _digest(config.base_db_config),
        "config_version": config_version,
        "db_config": db_config.as_json(with_own_password=False),
    }
    write_atomically(target, json.dumps(override, indent=2).encode() + b"\n")
    return target


def read_override(config: AgentConfig) -> tuple[DatabaseConfig, int] | None:
    """The stored `db_config` and its version, or None when there is none, it is damaged, or it replaces another one."""
    base = config.base_db_config
    try:
        raw = json.loads((config.state_dir / OVERRIDE_NAME).read_bytes())
        version = raw["config_version"]
        db_config, problems = parse_database_config(raw["db_config"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if problems or not isinstance(version, int) or raw.get("replaces") != _digest(base):
        return None
    if not db_config.has_password and db_config.may_have_the_password_of(base, config.db_type):
        db_config = db_config.with_password_of(base)
    return db_config, version


def _is_ours(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid() and os.access(path.parent, os.W_OK)
    except OSError:
        return False


def _replace_in_file(path: Path, db_config: DatabaseConfig, config_version: int) -> None:
    try:
        raw: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise OSError("the configuration file is no longer valid JSON") from error
    raw["db_config"] = db_config.as_json()
    raw["config_version"] = config_version
    write_atomically(path.resolve(), json.dumps(raw, indent=2).encode() + b"\n")


def _digest(db_config: DatabaseConfig) -> str:
    told = replace(db_config, password=None).as_json()
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
