"""What the product is made of: pinned with hashes, listed in one command, looked up among known weaknesses."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.deployment import REPOSITORY

PINNED = ["requirements.txt", "requirements-dev.txt", "agent/requirements.txt"]


def pins(name: str) -> dict[str, str]:
    """Return the packages of a file with their versions."""
    text = (REPOSITORY / name).read_text()
    return {
        match[1].lower(): match[2]
        for match in re.finditer(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", text, re.M)
    }


@pytest.mark.parametrize("name", PINNED)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    text = (REPOSITORY / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) >= 3
    for line in lines:
        assert re.search(r"==\S+.*--hash=sha256:[0-9a-f]{64}", line), line


def test_what_it_is_made_of_is_written_by_one_command() -> None:
    subprocess.run(["make", "sbom"], cwd=REPOSITORY, check=True, capture_output=True, timeout=120)
    for name, requirements in (("control-plane", "requirements.txt"), ("agent", "agent/requirements.txt")):
        bill = json.loads((REPOSITORY / f"var/sbom/{name}.cdx.json").read_text())
        assert bill["bomFormat"] == "CycloneDX"
        listed = {component["name"].lower(): component["version"] for component in bill["components"]}
        assert listed == pins(requirements)
        assert all(component.get("externalReferences") for component in bill["components"])


def test_a_package_with_a_known_weakness_fails_the_check_and_a_missing_database_does_not(tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    (copy / ".ci").mkdir(parents=True)
    (copy / ".venv/bin").mkdir(parents=True)
    (copy / ".ci/advisories").write_bytes((REPOSITORY / ".ci/advisories").read_bytes())
    (copy / ".venv/bin/python").symlink_to(REPOSITORY / ".venv/bin/python")
    auditor = copy / ".venv/bin/pip-audit"
    auditor.touch(0o755)
    weak = {"name": "example", "version": "1.0", "vulns": [{"id": "PYSEC-0", "fix_versions": ["1.1"]}]}
    answers = {
        "exit 0": (0, "no known weakness"),
        "echo 'ConnectionError: Max retries exceeded' >&2; exit 1": (
            0,
            "skipped: no database of advisories can be reached",
        ),
        "exit 124": (0, "skipped: no database of advisories can be reached"),
        "echo 'no such option: --disable-pip' >&2; exit 2": (1, "no such option: --disable-pip"),
        "exit 1": (1, "the lookup of requirements.txt failed"),
        'case "$*" in *requirements-dev.txt*) exit 1; esac': (1, "the lookup of requirements-dev.txt failed"),
        f"for last; do :; done; echo '{json.dumps({'dependencies': [weak]})}' >\"$last\"; exit 1": (
            1,
            "example 1.0: PYSEC-0, mended in 1.1",
        ),
    }
    for script, (code, said) in answers.items():
        auditor.write_text(f"#!/bin/sh\n{script}\n")
        done = subprocess.run(
            ["bash", copy / ".ci/advisories"], capture_output=True, text=True, check=False, timeout=60
        )
        assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done
