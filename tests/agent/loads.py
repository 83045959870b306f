"""Large loads for the agent: slow logs of many rows, and statements with long texts."""

import random

from tests.agent.agents import eventually
from tests.agent.conftest import MySQLSite, PostgresSite

# Of so many statements with long texts one consists of names, which are kept whole; the others of a long comment.
NAMES_IN = 50


def fill_slow_log(site: MySQLSite, rows: int, *, filler_bytes: int = 1) -> None:
    """Make rows from one logged statement, each with names of its own, and swap them in. MariaDB only."""
    server = site.server
    site.run("SELECT SLEEP(0.02)")
    eventually(lambda: site.logged() == 1)
    server.execute("CREATE TABLE mysql.slow_log_next LIKE mysql.slow_log")
    text = f"CONCAT('SELECT c_', MD5(seq), ' FROM', SPACE({filler_bytes}), 't_', SHA1(seq), ' WHERE id = ', seq)"
    columns = [str(name) for name, *_ in server.execute("SHOW COLUMNS FROM mysql.slow_log")]
    values = ", ".join(text if name == "sql_text" else f"s.{name}" for name in columns)
    server.execute(f"INSERT INTO slow_log_next SELECT {values} FROM slow_log s, seq_1_to_{rows}", database="mysql")
    server.execute("RENAME TABLE mysql.slow_log TO mysql.slow_log_prev, mysql.slow_log_next TO mysql.slow_log")


def fill_statements(site: PostgresSite, statements: int, *, text_bytes: int) -> None:
    """Have pg_stat_statements hold so many statements, each with a text of its own of so many bytes."""
    chance = random.Random(statements)
    with site.server.connect() as connection:
        for number in range(statements):
            # Operators make the statements differ for the server; names alone would not.
            shape = ", ".join("1 + 1" if number >> bit & 1 else "1 - 1" for bit in range(13))
            filler = "/* " + "long " * (text_bytes // 5) + "*/"
            if number % NAMES_IN == 0:
                filler = "".join(f', 1 AS "{chance.randbytes(28).hex()}"' for _ in range(text_bytes // 66))
            connection.execute(f"SELECT {shape} {filler}".encode())
