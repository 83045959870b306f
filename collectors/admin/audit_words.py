"""Entries of the audit in words: a sentence, what was before and after, and where it leads for whoever reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from collectors.access import Principal, seen_objects, visible_to
from collectors.admin.audit_sentences import ACTS, MEMBERS, NAMED, OTHERWISE
from collectors.admin.display import NOTHING, duration
from collectors.models import AuditEntry, Organization, Team

_LONGEST: Final = 200
# Acts whose sentence holds both values, where this member is the one that changed.
_TELL_BOTH: Final = {"database.change": "name", "team.change": "name", "membership.change": "role"}


@dataclass(frozen=True)
class Change:
    """One member that changed. None where it was not there."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Told:
    """An entry as whoever reads it sees it. `address` is the page of what it is about, empty where there is none to see."""

    entry: AuditEntry
    sentence: SafeString
    changes: list[Change]
    address: str


def tell(entries: Iterable[AuditEntry], principal: Principal) -> list[Told]:
    """Return the entries in words. Names and addresses are of what the principal may see; the rest is told as it was recorded."""
    listed = list(entries)
    seen = _Seen.of(listed, principal)
    return [_told(entry, seen) for entry in listed]


@dataclass(frozen=True)
class _Seen:
    """What of the things that entries name may be seen."""

    objects: set[tuple[str, int]]
    teams: Mapping[int, str]
    organizations: Mapping[int, str]

    @classmethod
    def of(cls, entries: list[AuditEntry], principal: Principal) -> "_Seen":
        people = {("user", entry.user_id) for entry in entries if entry.user_id is not None}
        named = {(entry.object_type, entry.object_id) for entry in entries if entry.object_id is not None}
        teams = {team for entry in entries if (team := _team_of(entry)) is not None}
        places = {entry.organization_id for entry in entries if entry.organization_id is not None}
        return cls(
            seen_objects(people | named, principal),
            dict(visible_to(Team.objects.filter(pk__in=teams), principal).values_list("pk", "name")) if teams else {},
            dict(visible_to(Organization.objects.filter(pk__in=places), principal).values_list("pk", "name")),
        )

    def page(self, kind: str, pk: int | None) -> str:
        if pk is None or (kind, pk) not in self.objects:
            return ""
        try:
            if kind == "fingerprint":
                return reverse("admin:query", args=(pk,))
            return reverse(
                f"admin:{apps.get_model('collectors', kind)._meta.label_lower.replace('.', '_')}_change", args=(pk,)
            )
        except (LookupError, NoReverseMatch):
            return ""


def _told(entry: AuditEntry, seen: _Seen) -> Told:
    address = seen.page(entry.object_type, entry.object_id)
    _title, sentence = ACTS.get(entry.action, ("", ""))
    tells_both = set(entry.after) == {_TELL_BOTH.get(entry.action)}
    if entry.action in OTHERWISE and not tells_both:
        sentence = OTHERWISE[entry.action]
    values = _values(entry, seen)
    named = {
        "who": _named(entry.actor, seen.page("user", entry.user_id)),
        **{name: _named(values[name], address) for name in ("what", "person")},
        **{name: format_html("<strong>{}</strong>", values[name]) for name in ("role", "place", "old", "new")},
    }
    text = conditional_escape(str(sentence)) if sentence else SafeString("%(who)s: %(action)s %(what)s")
    # What fills the places is escaped, and so is the sentence.
    told = mark_safe(text % {**named, "action": conditional_escape(entry.action)})  # noqa: S308
    return Told(entry, told, [] if tells_both else _changes(entry), address)


def _values(entry: AuditEntry, seen: _Seen) -> dict[str, str]:
    known = {**entry.before, **entry.after}
    changed = next((name for name in ("role", "name") if name in entry.before and name in entry.after), "")
    team, organization = _team_of(entry), entry.organization_id
    if team is not None:
        place = seen.teams.get(team) or _("team %(id)s") % {"id": team}
    else:
        place = seen.organizations.get(organization or 0) or _("organization %(id)s") % {"id": organization}
    label = entry.object_label or (f"#{entry.object_id}" if entry.object_id else NOTHING)
    return {
        "what": label,
        # A membership and an invitation are called after the person and the role.
        "person": str(known.get("user") or known.get("email") or label.split(" · ")[0]),
        "role": str(known.get("role") or NOTHING),
        "place": place,
        "old": _value(entry.before.get(changed)),
        "new": _value(entry.after.get(changed)),
    }


def _named(text: str, address: str) -> SafeString:
    if address:
        return format_html('<a class="dbpower-link" href="{}">{}</a>', address, text[:_LONGEST])
    return format_html("<strong>{}</strong>", text[:_LONGEST])


def _team_of(entry: AuditEntry) -> int | None:
    team = entry.after.get("team_id", entry.before.get("team_id"))
    return team if isinstance(team, int) else None


def _changes(entry: AuditEntry) -> list[Change]:
    names = [name for name in {**entry.before, **entry.after} if name not in NAMED]
    if entry.action.startswith(("membership.", "invitation.")):
        names = [name for name in names if name != "role"]
    if not entry.before:
        # The sentence says what it is called.
        names = [name for name in names if entry.after[name] != entry.object_label]
    return [
        Change(
            str(MEMBERS.get(name, name)),
            _value(entry.before[name], name) if name in entry.before else None,
            _value(entry.after[name], name) if name in entry.after else None,
        )
        for name in names
        if entry.before.get(name) != entry.after.get(name) or (name in entry.before) != (name in entry.after)
    ]


def _value(value: Any, name: str = "") -> str:
    if value is None or value == "":
        return pgettext("value", "none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if name.endswith("_seconds") and isinstance(value, int):
        return duration(timedelta(seconds=value))
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or pgettext("value", "none")
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_value(inner)}" for name, inner in value.items()) or pgettext("value", "none")
    return str(value)[:_LONGEST]
