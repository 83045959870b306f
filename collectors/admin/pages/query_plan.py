"""The part of a statement's page that shows its plan: made when somebody asks, waited for live, kept while plans differ."""

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from collectors.access import Principal, may, visible_to
from collectors.admin import refusals, signed_in
from collectors.admin.pages.plan_tree import tree
from collectors.admin.pages.plan_words import Failure, failure_of
from collectors.admin.pages.queries_choices import number
from collectors.domain.commands import OPEN
from collectors.domain.roles import Permission
from collectors.domain.sources import Source
from collectors.models import Collector, Command, Fingerprint, Plan, Statement
from collectors.services import configs, plan_requests, plans
from collectors.services.errors import Refused

_MOST_STATEMENTS: Final = 50


def query_plan_part(request: HttpRequest, pk: str) -> HttpResponse:
    """Answer the part; a POST asks the agent for a plan first. While one is asked for, the browser asks again by itself."""
    principal = signed_in.principal(request)
    if not principal.holds(Permission.QUERY_VIEW):
        raise PermissionDenied
    fingerprint = visible_to(Fingerprint.objects.all(), principal).filter(pk=number(pk) or 0).first()
    if fingerprint is None:
        raise Http404
    is_part = bool(request.headers.get("HX-Request"))
    refusal = _ask(request, principal, fingerprint) if request.method == "POST" else ""
    if not is_part:
        if refusal:
            messages.error(request, refusal)
        chosen = number(request.POST.get("statement", "")) or number(request.GET.get("statement", ""))
        query = f"?{urlencode({'statement': chosen})}" if chosen else ""
        return HttpResponseRedirect(f"{reverse('admin:query', args=[fingerprint.pk])}{query}#plan")
    context = {**plan_context(request, principal, fingerprint), "plan_refusal": refusal}
    return render(request, "admin/dbpower/query_plan.html", context)


def _ask(request: HttpRequest, principal: Principal, fingerprint: Fingerprint) -> str:
    """Ask for the plan of the statement that the form names; return why it cannot be asked for."""
    statement = _statements(principal, fingerprint).filter(pk=number(request.POST.get("statement", "")) or 0).first()
    if statement is None:
        return _("There is no such statement.")
    # A database and its collectors belong to the same team.
    if not may(principal, Permission.COLLECTOR_COMMAND, statement.database):
        raise PermissionDenied
    try:
        plan_requests.request_plan(statement=statement, actor=signed_in.actor(request))
    except Refused as refusal:
        refusals.record_refused(request, refusal, row=fingerprint)
        return str(refusal)
    return ""


def plan_context(request: HttpRequest, principal: Principal, fingerprint: Fingerprint) -> dict[str, Any]:
    """Return what the template needs: of the statement that the request names, or of the one planned last."""
    found = list(_statements(principal, fingerprint).order_by("-first_seen", "-pk")[:_MOST_STATEMENTS])
    known = visible_to(Plan.objects.filter(fingerprint=fingerprint), principal)
    chosen = _chosen(request, found, known.values_list("statement_id", flat=True).first())
    address = reverse("admin:query_plan", args=[fingerprint.pk])
    if chosen is None:
        return {"plan_address": address, "plan_choices": [], "plan_why_not": _no_statement(principal, fingerprint)}
    kept = list(visible_to(Plan.objects.filter(statement=chosen), principal))
    asked = visible_to(plans.requests(chosen).select_related("collector"), principal).first()
    older = next((plan for plan in kept[1:] if plan.pk == number(request.GET.get("plan", ""))), None)
    is_open = asked is not None and asked.state in OPEN
    collector = plan_requests.collector_of(chosen)
    may_ask = may(principal, Permission.COLLECTOR_COMMAND, chosen.database)
    why_not = plans.why_not(chosen)
    return {
        "plan_address": address,
        "plan_choices": _choices(found, chosen),
        "plan_statement": chosen,
        "plan_why_not": why_not,
        "plan_team": chosen.database.team if not chosen.database.team.plans else None,
        "plan_may_switch": may(principal, Permission.TEAM_MANAGE, chosen.database.team),
        "plan_may_ask": may_ask and not why_not,
        "plan_nobody": collector is None,
        "plan_asked": asked if is_open else None,
        "plan_failure": None if is_open else _failure(asked, kept, collector if may_ask else None, chosen),
        "plan": tree(kept[0], older) if kept else None,
        "plan_kept": [(plan, older is not None and plan.pk == older.pk) for plan in kept[1:]],
        "plan_compared": tree(older, kept[0]) if older else None,
    }


def _statements(principal: Principal, fingerprint: Fingerprint) -> Any:
    found = Statement.objects.filter(fingerprint=fingerprint, source=Source.PG_STAT_STATEMENTS)
    return visible_to(found, principal).select_related("database__team", "fingerprint")


def _no_statement(principal: Principal, fingerprint: Fingerprint) -> str:
    """Return why a statement that runs on no PostgreSQL has no plan."""
    others = visible_to(Statement.objects.filter(fingerprint=fingerprint), principal)
    other = others.select_related("database__team").first()
    return plans.why_not(other) if other else ""


def _chosen(request: HttpRequest, found: list[Statement], planned: int | None) -> Statement | None:
    by_pk = {statement.pk: statement for statement in found}
    named = number(request.POST.get("statement", "") or request.GET.get("statement", ""))
    wanted = (named, planned, found[0].pk if found else None)
    return next((by_pk[pk] for pk in wanted if pk is not None and pk in by_pk), None)


def _choices(found: list[Statement], chosen: Statement) -> list[tuple[int, str, bool]]:
    """Return the places where the statement ran, each once: the server keeps it apart by more than is shown."""
    rows: dict[str, tuple[int, str, bool]] = {}
    for statement in found:
        parts = (statement.database.name, statement.schema_name, statement.user_name)
        label = " · ".join(part for part in parts if part)
        if label not in rows or statement.pk == chosen.pk:
            rows[label] = (statement.pk, label, statement.pk == chosen.pk)
    return sorted(rows.values(), key=lambda row: row[1])


def _failure(
    asked: Command | None, kept: list[Plan], collector: Collector | None, statement: Statement
) -> Failure | None:
    """Return what became of the last request, where that was no plan and no plan came since."""
    if asked is None or asked.ended_at is None:
        return None
    if kept and kept[0].taken_at >= asked.ended_at:
        return None
    return failure_of(asked, role=statement.user_name, user=_agents_user(collector) if collector else None)


def _agents_user(collector: Collector) -> str:
    """Return the role that the collector's agent logs in as, as far as it is known here."""
    try:
        return str(configs.decrypt(collector_id=collector.pk, ciphertext=collector.config).get("user") or "")
    except Refused:
        return ""
