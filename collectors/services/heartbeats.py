"""Heartbeats: the one write that comes all the time, and what it may set in motion."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from collectors.domain import limits, liveness
from collectors.domain.commands import CommandState, CommandType
from collectors.domain.heartbeats import Report, increase
from collectors.domain.liveness import Beat, Cause, Status
from collectors.models import Collector, Command, Heartbeat, Lease, StatusChange
from collectors.services import beat_sql, collector_keys, configs, leases
from collectors.services.errors import KeyRefused, Refused

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DeliveredCommand:
    """A command as the agent gets it, its parameters filled in."""

    id: int
    command: str
    # May hold a password.
    params: dict[str, Any] = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class Answer:
    """What the agent is told: the desired state and the commands to carry out."""

    auto_collect: bool
    collection_interval_minutes: int
    config_version: int
    epoch: int
    holds_lease: bool
    rotate_key: bool
    commands: list[DeliveredCommand]


def record(*, collector_id: int, key_digest: str, report: Report) -> Answer:
    """Record a heartbeat and return what the agent is to do. Raises `KeyRefused`.

    A heartbeat that changes nothing but numbers is one statement (`beat_sql`), which checks the key, writes, and tells
    whether commands wait. All others (a first one, a new agent process, a change of status) take the row's lock. A
    collector that stands by asks with each heartbeat whether it has to take over.
    """
    beat = beat_sql.write(collector_id=collector_id, key_digest=key_digest, report=report)
    if beat is None:
        # Apart from what follows: it may write to the collector's row, which everybody else locks after the heartbeat's.
        authenticate(collector_id=collector_id, key_digest=key_digest, address=report.address)
        beat = _record_change(collector_id=collector_id, key_digest=key_digest, report=report)
    if not (beat.holds_lease or beat.is_superseded or report.stopping):
        readable = None if report.source is None else report.source.get("readable")
        epoch = leases.take(collector_id=collector_id, wanted=beat.auto_collect, readable=readable)
        beat = beat if epoch is None else replace(beat, epoch=epoch, holds_lease=True)
    commands = _deliver(collector_id) if beat.has_commands else []
    return Answer(
        auto_collect=beat.auto_collect,
        collection_interval_minutes=beat.collection_interval_minutes,
        config_version=beat.config_version,
        epoch=beat.epoch,
        holds_lease=beat.holds_lease,
        rotate_key=beat.rotate_key,
        commands=commands,
    )


def authenticate(*, collector_id: int, key_digest: str, address: str = "") -> Collector:
    """Return the collector whose present or previous key has that digest, and note the key's use.

    Raises `KeyRefused`, the same for every reason.
    """
    collector = collector_keys.holder_of(collector_id=collector_id, key_digest=key_digest)
    if collector.api_key_proven_at is None and collector.api_key_hash == key_digest:
        collector_keys.prove(collector=collector)
    collector_keys.note_use(collector=collector, key_digest=key_digest, address=address)
    return collector


@transaction.atomic
def _record_change(*, collector_id: int, key_digest: str, report: Report) -> beat_sql.Written:
    collector = collector_keys.holder_of(collector_id=collector_id, key_digest=key_digest)
    heartbeat = Heartbeat.objects.select_for_update().filter(pk=collector_id).first()
    if heartbeat is None:
        # Removed between the two statements.
        raise KeyRefused
    is_superseded = _is_superseded(heartbeat, report)
    if _is_duplicate(heartbeat, report, is_superseded=is_superseded):
        waiting = report.address if is_superseded else heartbeat.address
        Heartbeat.objects.filter(pk=collector_id).update(duplicate_seen_at=Now(), duplicate_address=waiting)
    rotate_key = collector.asks_for_new_key(key_digest)
    if is_superseded:
        return _written(collector, rotate_key=rotate_key, epoch=heartbeat.epoch, is_superseded=True)
    old_status = Status(heartbeat.status)
    open_commands = Command.objects.filter(collector_id=collector_id).deliverable()
    new_status = liveness.after_heartbeat(
        old_status,
        Beat(
            has_error=bool(report.error),
            wanted_auto_collect=collector.auto_collect,
            reported_auto_collect=report.auto_collect,
            start_open=open_commands.filter(command=CommandType.START).exists(),
        ),
    )
    process = _process(heartbeat, collector, report)
    Heartbeat.objects.filter(pk=collector_id).update(
        status=new_status,
        **process,
        **_numbers(heartbeat, report),
        **_facts(report),
    )
    if new_status is not old_status:
        cause = Cause.HEARTBEAT_ERROR if new_status is Status.ERROR else Cause.HEARTBEAT
        if new_status is Status.STOPPED:
            cause = Cause.STOP_DONE
        detail = report.error if new_status is Status.ERROR else ""
        record_flip(heartbeat, old=old_status, new=new_status, cause=cause, detail=detail)
    return _written(
        collector,
        rotate_key=rotate_key,
        epoch=process.get("epoch", heartbeat.epoch),
        holds_lease=Lease.objects.filter(holder_id=collector_id).exists(),
        has_commands=open_commands.exists(),
    )


def _written(collector: Collector, **members: Any) -> beat_sql.Written:
    return beat_sql.Written(
        auto_collect=collector.auto_collect,
        collection_interval_minutes=collector.collection_interval_minutes,
        config_version=collector.config_version,
        **members,
    )


def record_flip(heartbeat: Heartbeat, *, old: Status, new: Status, cause: Cause, detail: str = "") -> None:
    """Write the status change of a flip. Called in the flip's transaction, by its winner, with the row as it was before."""
    StatusChange.objects.create(
        organization_id=heartbeat.organization_id,
        collector_id=heartbeat.pk,
        old_status=old,
        new_status=new,
        cause=cause,
        detail=detail[: limits.MAX_DETAIL_CHARACTERS],
        last_heartbeat=heartbeat.last_heartbeat,
    )


def _process(heartbeat: Heartbeat, collector: Collector, report: Report) -> dict[str, Any]:
    """Return what changes in the row when the report is the first of another agent process.

    If the process before was heard a moment ago and took no leave, it may still be reading (a second agent with the same
    key): its snapshots are stale from now on. After a longer silence its spool is still worth having.
    """
    if report.instance == heartbeat.instance and heartbeat.epoch:
        return {}
    epoch = leases.next_epoch(collector.database_id)
    if (
        heartbeat.instance
        and not heartbeat.stopping
        and _age(heartbeat.last_heartbeat) < settings.DBPOWER_LEASE_SECONDS
    ):
        leases.fence(collector_id=collector.pk, epoch=epoch)
    return {"epoch": epoch, "previous_instance": heartbeat.instance, "instance_since": Now()}


def _is_superseded(heartbeat: Heartbeat, report: Report) -> bool:
    """Tell whether the report is of the process before the present one, while that one lives.

    It was under way while the agent restarted, or it is of a second agent with the same key: nothing of it counts.
    """
    if not (heartbeat.instance and report.instance) or report.instance != heartbeat.previous_instance:
        return False
    return _age(heartbeat.last_heartbeat) < settings.DBPOWER_LEASE_SECONDS


def _is_duplicate(heartbeat: Heartbeat, report: Report, *, is_superseded: bool) -> bool:
    """Tell whether two agents with this key live at once.

    One heartbeat of the process before may have been under way while the agent restarted, more may not; and a process that
    is new here but has run since before the present one was last heard is no restarted one.
    """
    if is_superseded:
        return _age(heartbeat.instance_since) > 2 * settings.DBPOWER_HEARTBEAT_SECONDS
    if not report.instance or report.instance == heartbeat.instance or not heartbeat.instance:
        return False
    uptime = report.uptime_seconds or 0
    return not heartbeat.stopping and uptime > _age(heartbeat.last_heartbeat) + limits.DUPLICATE_MARGIN_SECONDS


def _age(at: datetime | None) -> float:
    return float("inf") if at is None else (timezone.now() - at).total_seconds()


def _numbers(heartbeat: Heartbeat, report: Report) -> dict[str, Any]:
    same_process = bool(report.instance) and report.instance == heartbeat.instance
    numbers: dict[str, Any] = {}
    for total, reported, value in (
        ("queries_collected", "reported_queries", report.queries_collected),
        ("errors_count", "reported_errors", report.errors_count),
    ):
        if value is None:
            if report.instance and not same_process:
                numbers[reported] = 0
            continue
        last = getattr(heartbeat, reported)
        # The process before the present one has outlived it: what it counted was added when it was the present one.
        known = bool(report.instance) and report.instance == heartbeat.previous_instance
        numbers[total] = F(total) + (
            0 if known else increase(last=last, value=value, instance=report.instance, same_process=same_process)
        )
        numbers[reported] = max(last, value) if same_process else value
    if report.uptime_seconds is not None:
        numbers["uptime_seconds"] = report.uptime_seconds
    return numbers


def _facts(report: Report) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "last_heartbeat": Now(),
        "stopping": report.stopping,
        "instance": report.instance,
        "address": report.address,
        "clock_skew_seconds": beat_sql.ClockSkew(report.agent_clock_seconds),
    }
    if report.version:
        facts["version"] = report.version
    if report.error:
        facts["last_error"] = report.error
        facts["last_error_at"] = Now()
    if report.config_version is not None:
        facts["config_version"] = report.config_version
    if report.last_collection_age_seconds is not None:
        facts["last_collection"] = Now() - timedelta(seconds=report.last_collection_age_seconds)
    if report.source is not None:
        facts["source"] = report.source
    if report.spool is not None:
        facts["spool"] = report.spool
    return facts


@transaction.atomic
def _deliver(collector_id: int) -> list[DeliveredCommand]:
    deliverable = list(Command.objects.filter(collector_id=collector_id).deliverable())
    Command.objects.filter(pk__in=[command.pk for command in deliverable], state=CommandState.PENDING).update(
        state=CommandState.DELIVERED, delivered_at=Now()
    )
    return [filled for command in deliverable if (filled := _filled(command)) is not None]


def _filled(command: Command) -> DeliveredCommand | None:
    """Return the command with its parameters; a configuration is put in only here, where it leaves for the agent."""
    delivered = DeliveredCommand(command.pk, command.command, command.params, command.expires_at)
    if command.command != CommandType.UPDATE_CONFIG:
        return delivered
    collector = Collector.objects.only("config", "config_version").get(pk=command.collector_id)
    try:
        config = configs.decrypt(collector_id=collector.pk, ciphertext=collector.config)
    except Refused as error:
        _logger.error("collector %s: %s", collector.pk, error)
        return None
    return replace(delivered, params={"config": config, "config_version": collector.config_version})


def server_time() -> datetime:
    """Return the time to tell agents."""
    return timezone.now()


def next_heartbeat_seconds(answer: Answer) -> int:
    """Return the pace to tell an agent; one that stands by asks more often, to take over in time."""
    pace: int = settings.DBPOWER_HEARTBEAT_SECONDS
    return pace if answer.holds_lease else min(pace, limits.STANDBY_HEARTBEAT_SECONDS)


def lease_seconds() -> int:
    """Return for how long a heartbeat of the holder keeps its lease."""
    seconds: int = settings.DBPOWER_LEASE_SECONDS
    return seconds
