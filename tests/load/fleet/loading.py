"""Runs the steps that fill the tables: each once, in a transaction with the note that it is done, with progress and an ETA."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from django.apps import apps
from django.db import connection, models

from tests.load.fleet.plan import Plan

Cursor = psycopg.Cursor[tuple[Any, ...]]
# Everything of the loader's own lies in one schema of its own, which also tells that the database is the loader's.
SCHEMA: Final = """
CREATE SCHEMA IF NOT EXISTS load_data;
CREATE TABLE IF NOT EXISTS load_data.run (plan text NOT NULL, password text NOT NULL);
CREATE TABLE IF NOT EXISTS load_data.steps (
    name text PRIMARY KEY, rows bigint NOT NULL, seconds real NOT NULL, done_at timestamptz NOT NULL DEFAULT now()
);
"""
WORKERS: Final = 2


@dataclass(frozen=True)
class Step:
    """One transaction's work. `cost` is about how many seconds it takes beside the others; only their proportions count.

    Steps of one `group` may run side by side; a group begins when the one before is done.
    """

    name: str
    group: str
    cost: float
    run: Callable[[Cursor], int]


@dataclass
class Progress:
    """What is done, and when the rest will be."""

    steps: Sequence[Step]
    done: set[str]
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _worked: float = 0.0
    _rows: dict[str, int] = field(default_factory=dict)

    def finished(self, step: Step, rows: int) -> None:
        """Note a step, and print a line for it."""
        with self._lock:
            self.done.add(step.name)
            self._worked += step.cost
            self._rows[step.group] = self._rows.get(step.group, 0) + rows
            left = sum(other.cost for other in self.steps if other.name not in self.done)
            whole = sum(other.cost for other in self.steps)
            elapsed = time.monotonic() - self.began
            remaining = elapsed / self._worked * left
            print(
                f"[{elapsed:5.0f} s] {100 * (whole - left) / whole:3.0f} %  about {remaining:4.0f} s left   "
                f"{step.group}: {self._rows[step.group]:,} rows",
                flush=True,
            )


def run(url: str, plan: Plan, steps: Sequence[Step]) -> None:
    """Run what is not done yet. Interrupted, it goes on there the next time."""
    with psycopg.connect(url, autocommit=True) as control:
        done = {str(row[0]) for row in control.execute("SELECT name FROM load_data.steps")}
    progress = Progress(steps, done & {step.name for step in steps})
    with column_defaults(), ThreadPoolExecutor(WORKERS) as pool:
        for group in dict.fromkeys(step.group for step in steps):
            waiting = [step for step in steps if step.group == group and step.name not in done]
            for finished in [pool.submit(_run, url, step, progress) for step in waiting]:
                finished.result()


def _run(url: str, step: Step, progress: Progress) -> None:
    began = time.monotonic()
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as own, own.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        rows = step.run(cursor)
        cursor.execute(
            "INSERT INTO load_data.steps (name, rows, seconds) VALUES (%s, %s, %s)",
            [step.name, rows, time.monotonic() - began],
        )
    progress.finished(step, rows)


@contextlib.contextmanager
def column_defaults() -> Iterator[None]:
    """Let the database fill in meanwhile what Django fills in otherwise: bulk statements name only what they care about."""
    columns = [
        (model._meta.db_table, field.column, field.get_db_prep_save(field.get_default(), connection))
        for model in apps.get_app_config("collectors").get_models()
        if model._meta.managed
        for field in model._meta.concrete_fields
        if _is_filled_in(field)
    ]
    with connection.cursor() as cursor:
        for table, column, value in columns:
            cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" SET DEFAULT %s', [value])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for table, column, _ in columns:
                cursor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" DROP DEFAULT')


def _is_filled_in(field: "models.Field[Any, Any]") -> bool:
    has_own = field.db_default is not models.NOT_PROVIDED
    return not (field.null or field.primary_key or has_own or field.is_relation) and field.get_default() is not None


def copy(cursor: Cursor, table: str, columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> int:
    """Write rows by COPY; return how many there were."""
    count = 0
    with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as into:
        for row in rows:
            into.write_row(row)
            count += 1
    return count


def keep_counting(cursor: Cursor, *tables: str) -> None:
    """Let the next ids follow those that were given out here."""
    for table in tables:
        cursor.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT coalesce(max(id), 1) FROM {table}))"
        )
