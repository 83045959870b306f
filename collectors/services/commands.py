"""Commands: asked for, cancelled, reported, expired. Every ending is one conditional update, so only one of them wins."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import commands, limits
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandState, CommandType
from collectors.domain.liveness import Cause, Status
from collectors.models import Collector, Command, Heartbeat, labels
from collectors.models.commands import CommandQuerySet
from collectors.services import audit, collector_keys, plans
from collectors.services.errors import Conflict, Refused
from collectors.services.heartbeats import record_flip


@transaction.atomic
def request_command(
    *, collector: Collector, command: CommandType, actor: Actor, params: dict[str, Any] | None = None
) -> Command:
    """Ask a collector's agent to do something. `start` and `stop` also set what is wanted from then on."""
    # Two requests at once take their numbers one after the other, so that the higher number also says what is wanted.
    locked = _locked(collector.pk, command)
    row = Command.objects.create(
        organization_id=collector.organization_id,
        collector=collector,
        command=command,
        params=params or {},
        requested_by_id=actor.user_id,
        expires_at=Now() + timedelta(seconds=settings.DBPOWER_COMMAND_TTL_SECONDS),
    )
    row.refresh_from_db()
    before: dict[str, Any] = {}
    after: dict[str, Any] = {"command_id": row.pk}
    if command in commands.SETS_COLLECTION:
        before["auto_collect"], after["auto_collect"] = locked.auto_collect, command == CommandType.START
        Collector.objects.filter(pk=collector.pk).update(auto_collect=command == CommandType.START)
    if command == CommandType.START:
        _flip(collector.pk, Status.STARTING, Cause.START_ACCEPTED, starting_since=Now())
    audit.record(
        actor=actor,
        action=f"command.{command}",
        row=collector,
        organization_id=collector.organization_id,
        before=before,
        after=after,
    )
    return row


@transaction.atomic
def cancel_command(*, command: Command, actor: Actor) -> Command:
    """Cancel a command that has not ended. Raises `Conflict` when it has.

    Cancelling the newest `start` or `stop` brings back what was wanted before it.
    """
    # Whoever asks for the opposite at this moment has done so already, or comes after this.
    locked = _locked(command.collector_id, command.command) if command.command in commands.SETS_COLLECTION else None
    cancelled = Command.objects.filter(pk=command.pk, state__in=commands.OPEN).update(
        state=CommandState.CANCELLED, ended_at=Now()
    )
    command.refresh_from_db()
    if not cancelled:
        raise Conflict(_has_ended(command), code="command_ended", state={"state": command.state})
    before: dict[str, Any] = {}
    after: dict[str, Any] = {"state": command.state}
    if locked is not None:
        wanted = _restore_wanted_state(command, locked)
        if wanted != locked.auto_collect:
            before["auto_collect"], after["auto_collect"] = locked.auto_collect, wanted
    audit.record(
        actor=actor,
        action="command.cancel",
        row=command,
        organization_id=command.organization_id,
        before=before,
        after=after,
    )
    return command


@transaction.atomic
def report_execution(*, collector: Collector, key_digest: str, command_id: int, success: bool, result: Any) -> Command:
    """Store an agent's report. The same report again changes nothing.

    Raises `KeyRefused` when the key has ended while the body came in, `Command.DoesNotExist` for a command that is not the
    collector's, `Conflict` when the command ended otherwise, `Refused` for a result that is too large or a plan that is none.
    """
    collector_keys.holder_of(collector_id=collector.pk, key_digest=key_digest)
    command = Command.objects.get(pk=command_id, collector=collector)
    state = commands.outcome(success=success)
    if command.command in commands.SETS_COLLECTION:
        _lock_heartbeat(collector.pk)
    plan = None
    if success and command.command == CommandType.EXPLAIN:
        plan = plans.parsed(result)
        result = {"nodes": len(plan.nodes), "omitted": plan.omitted}
    else:
        _require_short(result)
    taken = (
        Command.objects.filter(pk=command_id, collector=collector)
        .open()
        .filter(expires_at__gt=Now())
        .update(state=state, result=result, ended_at=Now())
    )
    if not taken:
        # Its time may be over without a sweep having come by: say so, instead of that it is still open.
        _expire(Command.objects.filter(pk=command_id))
    command.refresh_from_db()
    if taken:
        if plan is not None:
            plans.store(command=command, plan=plan)
        elif success:
            _apply_outcome(command)
    elif command.state != state:
        raise Conflict(_has_ended(command), code="command_ended", state={"state": command.state})
    return command


def _require_short(result: Any) -> None:
    if len(json.dumps(result, ensure_ascii=False).encode()) > limits.MAX_RESULT_BYTES:
        said = f"At most {limits.MAX_RESULT_BYTES} bytes."
        raise Refused("The result is too large.", code="invalid", errors={"result": [said]})


def _has_ended(command: Command) -> str:
    return _("The command has ended: %(state)s.") % {"state": labels.label_of(labels.COMMAND_STATES, command.state)}


def expire_overdue() -> int:
    """End the open commands whose time is over; return how many."""
    return _expire(Command.objects.all())


def _expire(rows: CommandQuerySet) -> int:
    return rows.overdue().update(state=CommandState.EXPIRED, ended_at=Now())


def _apply_outcome(command: Command) -> None:
    """Show what the agent has done, unless somebody has asked for the opposite since.

    What an older `start` or `stop` still asks for is void now: delivered once more, it would undo this one.
    """
    if command.command not in commands.SETS_COLLECTION:
        return
    Command.objects.filter(
        collector_id=command.collector_id, command__in=commands.SETS_COLLECTION, pk__lt=command.pk
    ).open().update(state=CommandState.CANCELLED, ended_at=Now())
    started = command.command == CommandType.START
    wanted = Collector.objects.values_list("auto_collect", flat=True).get(pk=command.collector_id)
    if wanted != started:
        return
    if started:
        _flip(command.collector_id, Status.ONLINE, Cause.START_DONE)
    else:
        _flip(command.collector_id, Status.STOPPED, Cause.STOP_DONE)


def _locked(collector_id: int, command: str) -> Collector:
    """Return the collector, locked; where its status may flip, its heartbeat's row first.

    Everybody locks a heartbeat's row, its collector and its commands in this order: a flip refers to the collector, so the
    other way round whoever reports would wait for this, and this for whoever reports.
    """
    if command in commands.SETS_COLLECTION:
        _lock_heartbeat(collector_id)
    return Collector.objects.select_for_update().get(pk=collector_id)


def _lock_heartbeat(collector_id: int) -> None:
    Heartbeat.objects.select_for_update().filter(pk=collector_id).first()


def _restore_wanted_state(command: Command, locked: Collector) -> bool:
    """Set what the newest `start` or `stop` that was not cancelled asked for, and return it; one is registered to collect."""
    asked = Command.objects.filter(collector=locked, command__in=commands.SETS_COLLECTION)
    if asked.filter(pk__gt=command.pk).exclude(state=CommandState.CANCELLED).exists():
        return locked.auto_collect
    last = asked.exclude(state=CommandState.CANCELLED).order_by("-pk").first()
    wanted = last is None or last.command == CommandType.START
    Collector.objects.filter(pk=locked.pk).update(auto_collect=wanted)
    if command.command == CommandType.START and not wanted:
        _flip(locked.pk, Status.STOPPED, Cause.STOP_DONE)
    return wanted


def _flip(collector_id: int, new: Status, cause: Cause, **values: Any) -> None:
    heartbeat = Heartbeat.objects.select_for_update().get(pk=collector_id)
    old = Status(heartbeat.status)
    Heartbeat.objects.filter(pk=collector_id).update(status=new, **values)
    if old is not new:
        record_flip(heartbeat, old=old, new=new, cause=cause)
