"""Plans of statements: asked for by people, made on the watched server, told by its agent."""

import json
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from collectors.domain import limits, plans
from collectors.domain.commands import CommandType
from collectors.domain.plans import ReportedPlan
from collectors.domain.reading import Invalid
from collectors.domain.sources import Source
from collectors.models import Command, Plan, Statement
from collectors.models.commands import CommandQuerySet
from collectors.services import retention
from collectors.services.errors import Refused


def parsed(result: Any) -> ReportedPlan:
    """Return the plan in the result of a command. Raises `Refused` when there is none of the wire's shape."""
    if not isinstance(result, dict) or set(result) != {"plan"}:
        raise Refused("The result has no plan.", code="invalid", errors={"result": ["A plan is needed."]})
    if len(json.dumps(result, ensure_ascii=False).encode()) > limits.MAX_PLAN_BYTES:
        said = f"At most {limits.MAX_PLAN_BYTES} bytes."
        raise Refused("The plan is too large.", code="invalid", errors={"result": [said]})
    try:
        return plans.parse_plan(result["plan"])
    except Invalid as invalid:
        raise Refused("The plan cannot be taken.", code="invalid", errors=invalid.errors) from invalid


def statement_of(command: Command) -> Statement | None:
    """Return the statement whose plan a command asks for; None when it is gone or has another text since."""
    return Statement.objects.filter(
        database__collectors=command.collector_id,
        source=Source.PG_STAT_STATEMENTS,
        key=command.params.get("key"),
        fingerprint__fingerprint_id=command.params.get("fingerprint_id"),
    ).first()


@transaction.atomic
def store(*, command: Command, plan: ReportedPlan) -> None:
    """Keep the plan that a command brought, unless the team has switched plans off meanwhile.

    One that has the shape of a kept one renews its numbers; of different ones the last few are kept.
    """
    statement = statement_of(command)
    if statement is None or statement.fingerprint_id is None or not statement.database.team.plans:
        return
    # Two agents that report at once take turns, so that a shape is kept once.
    Statement.objects.select_for_update().get(pk=statement.pk)
    kept = Plan.objects.filter(statement=statement)
    told: dict[str, Any] = {"nodes": plan.nodes, "omitted": plan.omitted, "server_version": plan.server_version}
    shape = plans.shape(plan.nodes)
    latest = kept.first()
    if latest is not None and latest.shape != shape:
        # The server has come back to it, if it is kept at all: it has not been the same since it was first seen.
        kept.filter(shape=shape).update(first_taken_at=Now())
    if not kept.filter(shape=shape).update(**told, taken_at=Now()):
        Plan.objects.create(
            organization_id=statement.organization_id,
            database_id=statement.database_id,
            fingerprint_id=statement.fingerprint_id,
            statement=statement,
            shape=shape,
            **told,
        )
    kept.exclude(pk__in=kept.values_list("pk", flat=True)[: limits.PLANS_KEPT]).delete()


def forget_old() -> None:
    """Remove the plans that are older than their organizations keep the numbers of statements."""
    for days, organizations in retention.by_days("history_retention_days"):
        owners = organizations.order_by().values("pk")
        Plan.objects.filter(organization_id__in=owners, taken_at__lt=retention.start_of(days)).delete()


def why_not(statement: Statement) -> str:
    """Return in plain words why no plan of a statement can be asked for; empty where one can."""
    if statement.source != Source.PG_STAT_STATEMENTS:
        return _(
            "MySQL and MariaDB plan a statement only with its literals, which the agent takes out and nobody keeps: "
            "there is no plan of it here."
        )
    if statement.fingerprint_id is None:
        return _("The text of the statement is not known, so it cannot be planned.")
    if not statement.database.team.plans:
        return _("Plans are switched off for the team %(team)s.") % {"team": statement.database.team.name}
    return ""


def requests(statement: Statement) -> CommandQuerySet:
    """Return the commands that ask, or asked, for the plan of a statement."""
    return Command.objects.filter(
        command=CommandType.EXPLAIN, collector__database_id=statement.database_id, params__key=statement.key
    )
