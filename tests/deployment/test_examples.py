"""The examples of docs/api.md, run as they stand against a started control plane."""

import os
import re
import subprocess

import pytest

from tests.deployment import REPOSITORY
from tests.servers.control_plane import ADMINISTRATOR, ControlPlane


@pytest.mark.slow
def test_the_examples_of_the_api_page_work_one_after_the_other() -> None:
    page = (REPOSITORY / "docs" / "api.md").read_text()
    examples = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) > 6
    with ControlPlane({"DBPOWER_OFFLINE_AFTER_SECONDS": "120"}) as control_plane:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(examples)],
            env={
                "PATH": os.environ["PATH"],
                "no_proxy": "*",
                "DBPOWER": control_plane.address,
                "EMAIL": ADMINISTRATOR,
                "PASSWORD": control_plane.password,
            },
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-1000:]}"
    assert '"accepted": 1' in done.stdout
    assert "orders WHERE id = ?" in done.stdout
