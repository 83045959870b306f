"""What the code keeps to, besides what linters see."""

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django import Settings

from collectors.access.scopes import _OWN, _SCOPES
from collectors.models import Bucket, ControlPlane, Cost, DirtyHour, Organization
from collectors.services import rollups, storage
from tests.cast import assemble

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("collectors", "dbpower", "agent/dbpower_agent", "tests")
FILES = sorted(
    path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py") if "migrations" not in path.parts
)
COMMANDS = sorted(path.stem for path in (REPOSITORY / "collectors/management/commands").glob("[a-z]*.py"))
# Rows that no person asks for: what uploads are applied under, and what the product keeps of itself.
NOBODYS = {
    *("AuditChain", "ControlPlane", "DirtyDay", "DirtyHour", "DirtyWeek", "Enrolment", "LogCursor"),
    *("LoginSession", "LoginThrottle", "ReceivedUpload", "SecondFactor", "SnapshotBaseline", "SnapshotPart"),
}


def short(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_no_file_is_longer_than_about_400_lines() -> None:
    lengths = {short(path): len(path.read_text().splitlines()) for path in FILES}
    assert len(lengths) > 100
    assert {name: lines for name, lines in lengths.items() if lines > 420} == {}


def test_no_function_of_the_product_is_longer_than_about_30_lines() -> None:
    long = {}
    for path in FILES:
        if path.is_relative_to(REPOSITORY / "tests"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > 45:
                    long[f"{short(path)}:{node.name}"] = lines
    assert long == {}


def test_no_file_is_a_drawer_for_everything() -> None:
    assert [
        short(path) for path in FILES if path.stem in {"utils", "util", "helpers", "common", "misc", "base_utils"}
    ] == []


def test_every_command_of_an_operator_has_a_test() -> None:
    assert len(COMMANDS) >= 4
    tested = {path.stem.removeprefix("test_") for path in (REPOSITORY / "tests/management").glob("test_*.py")}
    assert set(COMMANDS) == tested


def test_every_service_has_a_test_that_bears_its_name_or_is_named_here() -> None:
    elsewhere = {
        "audit_export": "tests/api/test_audit",
        "beat_sql": "test_heartbeats",
        "broker": "test_health",
        "completeness": "test_slow_log",
        "databases": "test_slow_log",
        "encryption": "test_configs, test_reencryption",
        "errors": "every service's tests",
        "latencies": "test_rollups, test_queries",
        "ledger": "test_snapshots, test_slow_log",
        "uploads": "test_snapshots, test_slow_log",
    }
    services = {path.stem for path in (REPOSITORY / "collectors/services").glob("[a-z]*.py")}
    tested = {path.stem.removeprefix("test_") for path in (REPOSITORY / "tests/services").glob("test_*.py")}
    assert services - tested == set(elsewhere)


def test_every_table_of_ours_is_scoped_or_nobodys() -> None:
    models = set(apps.get_app_config("collectors").get_models())
    unscoped = {model.__name__ for model in models - set(_SCOPES) - set(_OWN) - {Organization}}
    assert unscoped == NOBODYS


def test_system_checks_are_clean() -> None:
    assert run_checks(include_deployment_checks=False) == []


@pytest.mark.parametrize(
    ("setting", "value", "check"),
    [("DBPOWER_OFFLINE_AFTER_SECONDS", 59, "collectors.W001"), ("DBPOWER_COMMAND_TTL_SECONDS", 59, "collectors.W002")],
)
def test_a_pace_that_cannot_work_is_warned_of_with_a_hint(
    settings: Settings, setting: str, value: int, check: str
) -> None:
    setattr(settings, setting, value)
    found = [message for message in run_checks() if message.id == check]
    assert len(found) == 1
    assert "60" in (found[0].hint or "")


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.django_db(transaction=True)
def test_every_migration_can_be_reversed_to_nothing_and_made_again() -> None:
    try:
        call_command("migrate", "collectors", "zero", verbosity=0)
        with connection.cursor() as cursor:
            left = set(connection.introspection.table_names(cursor))
        ours = {model._meta.db_table for model in apps.get_app_config("collectors").get_models()}
        assert not left & ours
        assert not [name for name in left if name.startswith(("query_", "slow_queries", "dirty_"))]
    finally:
        call_command("migrate", verbosity=0)
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    assert ControlPlane.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_buckets_that_were_there_before_the_roll_ups_are_marked_for_them() -> None:
    cast = assemble()
    at = datetime(2026, 3, 4, 5, 55, tzinfo=UTC)
    try:
        executor = MigrationExecutor(connection)
        (name,) = [key for key in executor.loader.graph.nodes if key[1].endswith("_rollups_and_retention")]
        before = [parent.key for parent in executor.loader.graph.node_map[name].parents if parent.key[0] == name[0]]
        Bucket.objects.create(
            organization_id=cast.example.pk,
            database=cast.collector.database,
            statement_id=1,
            started_at=at,
            calls=3,
            total_time_ns=1,
            rows=0,
        )
        executor.migrate(before)
        call_command("migrate", verbosity=0)
        mark = DirtyHour.objects.get()
        assert (mark.database_id, mark.organization_id) == (cast.collector.database_id, cast.example.pk)
        assert mark.started_at == datetime(2026, 3, 4, 5, tzinfo=UTC)
        assert rollups.roll_up() == 3
        assert set(Cost.objects.values_list("calls", flat=True)) == {3}
    finally:
        call_command("migrate", verbosity=0)
        storage.forget_database(database_id=cast.collector.database_id)


def test_tables_bear_the_names_that_were_asked_for() -> None:
    tables = {model.__name__: model._meta.db_table for model in apps.get_app_config("collectors").get_models()}
    assert (tables["Collector"], tables["Command"]) == ("collectors", "collector_commands")


def test_tasks_travel_as_json_without_results() -> None:
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_IGNORE_RESULT is True


def test_a_sweep_that_waited_for_long_expires_before_the_next() -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["sweep"]
    assert entry["options"]["expires"] == 25
    assert entry["schedule"].total_seconds() == 30
