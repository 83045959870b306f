"""People ask for the plan of a statement."""

from django.db import transaction
from django.utils.translation import gettext as _

from collectors.domain import limits
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.models import Collector, Command, Statement
from collectors.services import commands, plans
from collectors.services.errors import Conflict


def collector_of(statement: Statement) -> Collector | None:
    """Return the collector that reads the statement's database now; only its agent is asked."""
    found = Collector.objects.filter(lease__database_id=statement.database_id)
    return found.select_related("heartbeat").first()


@transaction.atomic
def request_plan(*, statement: Statement, actor: Actor) -> Command:
    """Ask the agent that reads a statement's database for the plan. Who asks while it is asked gets the same command.

    The command names the statement by its key; its text is on the watched server. Raises `Conflict` when there can be no
    plan, nobody reads the database now, or too much is asked for at once.
    """
    reason = plans.why_not(statement)
    if reason:
        raise Conflict(reason, code="no_plan")
    collector = collector_of(statement)
    if collector is None or not collector.is_online():
        raise Conflict(_("No agent reads this database now."), code="nobody_collects")
    # Two who ask at once take turns, so that the second finds the first one's command.
    Collector.objects.select_for_update().get(pk=collector.pk)
    asked = plans.requests(statement).filter(collector=collector).deliverable().first()
    if asked is not None:
        return asked
    waiting = Command.objects.filter(collector=collector, command=CommandType.EXPLAIN).deliverable()
    if waiting.count() >= limits.PLANS_ASKED:
        said = _("The agent is asked for %(count)d plans already. Wait until it has answered.")
        raise Conflict(said % {"count": limits.PLANS_ASKED}, code="too_many_plans")
    return commands.request_command(
        collector=collector,
        command=CommandType.EXPLAIN,
        actor=actor,
        params={"key": statement.key, "fingerprint_id": statement.fingerprint.fingerprint_id},  # type: ignore[union-attr]
    )
