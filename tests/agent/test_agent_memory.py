"""The agent's memory does not depend on how much there is to read; measured on real processes, over their whole lives.

The bound of 50 MB is what an agent may take on the host of somebody's database. About 30 MB (mysqlclient) and 45 MB
(psycopg) are the interpreter and its libraries, so what the work itself adds is no more than a few megabytes: one part
of an upload in the making, one piece of a result. That the load does not matter is the sharper test: a list held whole
would show at once, for the large loads here are between 30 and 200 MB.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.agents import eventually, running_agent, write_config
from tests.agent.conftest import MySQLSite, PostgresSite, mysql_site
from tests.agent.counting import CountingBackend
from tests.agent.loads import fill_slow_log, fill_statements

MOST_KB = 50_000
# Between two runs of the same load the peak differs by about 1 MB.
MOST_GROWTH_KB = 4_000
LARGEST_UPLOAD = 1024 * 1024


def peak_of(
    kind: str, db_config: dict[str, Any], folder: Path, done: Callable[[CountingBackend], bool], *, seconds: float = 110
) -> int:
    """Run an agent until everything has arrived, and once more; returns the most memory it ever held, in kB."""
    folder.mkdir()
    with CountingBackend() as backend:
        backend.want_texts = kind == "postgres"
        with running_agent(write_config(folder, backend.url, kind, db_config)) as agent:
            eventually(lambda: done(backend), seconds=seconds, what="everything arrived")
            backend.command(1, "collect")
            eventually(lambda: backend.reports, seconds=60)
            peak = agent.memory_kb()
        assert backend.reports[0][1]["success"] is True
        assert backend.largest_upload <= LARGEST_UPLOAD
        print(f"\n{kind} agent: peak {peak / 1000:.1f} MB, largest upload {backend.largest_upload} bytes")
    return peak


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_memory_is_the_same_for_a_slow_log_of_100_000_rows_as_for_one_of_a_thousand(
    mariadb_site: MySQLSite, tmp_path: Path
) -> None:
    fill_slow_log(mariadb_site, 1_000)
    small = peak_of("mysql", mariadb_site.db_config, tmp_path / "small", lambda backend: backend.rows_seen == 1_000)
    large_site = mysql_site(mariadb_site.server)
    fill_slow_log(large_site, 100_000)
    large = peak_of("mysql", large_site.db_config, tmp_path / "large", lambda backend: backend.rows_seen == 100_000)
    assert large < MOST_KB
    assert large < small + MOST_GROWTH_KB


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_memory_is_the_same_for_2000_statements_of_100_kilobytes_as_for_a_hundred_short_ones(
    postgresql_site: PostgresSite, tmp_path: Path
) -> None:
    def everything(statements: int) -> Callable[[CountingBackend], bool]:
        return lambda seen: seen.statements_seen >= statements and seen.texts_seen >= seen.statements_seen

    fill_statements(postgresql_site, 100, text_bytes=100)
    small = peak_of("postgres", postgresql_site.db_config, tmp_path / "small", everything(100))
    server = postgresql_site.server
    fill_statements(postgresql_site, 2_000, text_bytes=100_000)
    held = server.execute("SELECT count(*), sum(octet_length(query)) FROM pg_stat_statements")[0]
    print(f"\n{held[0]} statements, {held[1] / 1e6:.0f} MB of texts")
    large = peak_of("postgres", postgresql_site.db_config, tmp_path / "large", everything(2_000))
    assert large < MOST_KB
    assert large < small + MOST_GROWTH_KB
