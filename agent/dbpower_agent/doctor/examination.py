"""Runs all examinations and prints what they found."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from dbpower_agent.doctor.backend import examine_backend
from dbpower_agent.doctor.findings import Finding, bad, good
from dbpower_agent.logs import MASK, escape_controls

if TYPE_CHECKING:
    from dbpower_agent.config import AgentConfig


def examine(config: AgentConfig) -> list[Finding]:
    """Look at everything; secrets are masked in all that comes back."""
    findings = [*_examine_state_dir(config), *examine_backend(config), *_examine_database(config)]
    return [_masked(finding, config.secrets) for finding in findings]


def print_findings(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        result = {"ok": all(finding.ok for finding in findings), "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
        return
    for finding in findings:
        sys.stdout.write(f"{'ok     ' if finding.ok else 'PROBLEM'} {finding.name}: {finding.detail}\n")
        if finding.remedy:
            sys.stdout.write(f"        to mend it: {finding.remedy}\n")


def _examine_database(config: AgentConfig) -> list[Finding]:
    if config.db_type == "mysql":
        from dbpower_agent.doctor.mysql import examine_mysql
        from dbpower_agent.sources.base import SourceError
        from dbpower_agent.sources.mysql_connection import load_driver

        try:
            load_driver()
        except SourceError as error:
            return [bad("driver", error.detail, error.remedy)]
        return examine_mysql(config.db_config, config.sources)
    try:
        import psycopg  # noqa: F401  (only to see whether it is there)

        from dbpower_agent.doctor.postgres import examine_postgres
    except ImportError:
        return [bad("driver", "psycopg is not installed", "pip install 'dbpower-agent[postgres]'")]
    return examine_postgres(config.db_config)


def _examine_state_dir(config: AgentConfig) -> list[Finding]:
    directory = config.state_dir
    nearest = next((path for path in (directory, *directory.parents) if path.exists()), directory)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return [bad("state directory", f"{directory} cannot be written", f"set state_dir, or: chown $USER {nearest}")]
    return [good("state directory", f"{directory} can be used")]


def _masked(finding: Finding, secrets: tuple[str, ...]) -> Finding:
    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return escape_controls(text)

    remedy = None if finding.remedy is None else clean(finding.remedy)
    return Finding(finding.name, finding.ok, clean(finding.detail), remedy)
