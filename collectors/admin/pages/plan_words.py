"""Why there is no plan, in plain words, and what mends it."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from collectors.domain import grants
from collectors.domain.commands import CommandState
from collectors.domain.plans import MENDED_BY_FUNCTIONS, Refusal
from collectors.models import Command


@dataclass(frozen=True)
class Failure:
    """What became of a request for a plan. `sql` mends it, run as an administrator in the statement's database."""

    text: str
    sql: str
    command: Command


def failure_of(command: Command, *, role: str, user: str | None) -> Failure | None:
    """Return why a command that has ended brought no plan. `user` is the agent's role, None for whoever may not ask."""
    if command.state == CommandState.EXPIRED:
        return Failure(_("The agent did not take the request in time. Is it alive?"), "", command)
    if command.state == CommandState.CANCELLED:
        return Failure(_("The request was cancelled."), "", command)
    if command.state == CommandState.SUCCEEDED:
        return None
    result = command.result if isinstance(command.result, dict) else {}
    code = str(result.get("code") or "")
    sql = grants.plan_functions(role=role, user=user) if user is not None and code in MENDED_BY_FUNCTIONS else ""
    return Failure(_words(code, str(result.get("detail") or ""), role), sql, command)


def _words(code: str, detail: str, role: str) -> str:
    words = {**_words_of_installation(role), **_words_of_agents(), **_words_of_statements(role)}
    if code in words:
        return words[Refusal(code)]
    return _("The agent could not do it: %(reason)s.") % {"reason": (detail or code or _("it gave no reason"))[:500]}


def _words_of_installation(role: str) -> dict[Refusal, str]:
    return {
        Refusal.NOT_INSTALLED: _("The functions that make plans are not installed in this database yet."),
        Refusal.ROLE_NOT_INSTALLED: _("The statements of the role %(role)s are not set up for plans yet.")
        % {"role": role},
        Refusal.NOT_GRANTED: _("The agent's role may not call the function that makes plans."),
        Refusal.NOT_TRUSTED: _(
            "It cannot be planned safely: the schema dbpower has to belong to a superuser, and the function in it to a role "
            "without rights, login and members. Otherwise somebody else's code would run with the agent's rights."
        ),
        Refusal.OPEN_SCHEMA: _(
            "It cannot be planned safely: everybody may create functions in a schema that its names are looked up in, and "
            "they would run with the rights of %(role)s. REVOKE CREATE ON SCHEMA public FROM PUBLIC mends it."
        )
        % {"role": role},
        Refusal.SUPERUSER: _(
            "It cannot be planned safely: a superuser ran it, and planning may run functions that others can change."
        ),
    }


def _words_of_agents() -> dict[Refusal, str]:
    return {
        Refusal.UNKNOWN_COMMAND: _("The agent is too old for plans. Update it."),
        Refusal.STANDBY: _("Another agent reads this database now. Ask again."),
        Refusal.VERSION: _("Plans need PostgreSQL 16 or newer; this server is older."),
        Refusal.NO_PLANS: _("Only PostgreSQL makes plans of statements without their literals."),
    }


def _words_of_statements(role: str) -> dict[Refusal, str]:
    return {
        Refusal.STATEMENT_GONE: _("The server has forgotten the statement. Ask again after it has run again."),
        Refusal.NOT_PLANNABLE: _(
            "The server cannot plan it from what it has recorded: it is no statement with a plan, or the types of its "
            "parameters do not follow from its text."
        ),
        Refusal.UNRESOLVED: _(
            "A name in it is not found: it is gone, or not in the search_path of the function dbpower.%(name)s."
        )
        % {"name": f"plan_as_{role}"},
        Refusal.PERMISSION_DENIED: _("The role %(role)s may not run it any more.") % {"role": role},
        Refusal.TIMEOUT: _("Planning took longer than the agent allows, 5 s."),
        Refusal.LOCKED: _("Another session holds a lock on one of its tables. Ask again later."),
        Refusal.READ_ONLY: _(
            "Planning it would have written something: a function in it is declared STABLE and is not."
        ),
    }
