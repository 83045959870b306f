"""What the list of collectors shows of each, by column: its words, its cell, and what it is ordered by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from collectors.admin.display import NOTHING, ROLE_COLOURS, SOURCE_COLOURS, SOURCE_WORDS, STATUS_COLOURS, ago, number
from collectors.domain.commands import CommandState
from collectors.domain.liveness import Status
from collectors.models import Collector, Command, labels

# Beside its word each status has a sign of its own, for whoever does not tell the colours apart.
STATUS_SIGNS: Final = {
    Status.ONLINE.value: "●",
    Status.STARTING.value: "◔",
    Status.ERROR.value: "▲",
    Status.OFFLINE.value: "○",
    Status.STOPPED.value: "■",
}
_ASKED: Final[dict[str, tuple[str, str | Promise, str]]] = {
    CommandState.PENDING.value: ("…", gettext_lazy("asked"), "info"),
    CommandState.DELIVERED.value: ("→", gettext_lazy("delivered"), "info"),
    CommandState.SUCCEEDED.value: ("✓", gettext_lazy("done"), "success"),
    CommandState.FAILED.value: ("✗", gettext_lazy("failed"), "danger"),
    CommandState.EXPIRED.value: ("⌛", gettext_lazy("not taken in time"), "warning"),
    CommandState.CANCELLED.value: ("-", gettext_lazy("cancelled"), "default"),
}
_ONE_DECIMAL_BELOW: Final = 10
_TAGS_SHOWN: Final = 4


@dataclass(frozen=True)
class Listed:
    """One collector of a page, with what was looked up for it."""

    row: Collector
    now: datetime
    late: bool
    online: bool
    per_minute: float | None
    command: Command | None = None


@dataclass(frozen=True)
class Column:
    """One column. `order` names the lookups that it can be ordered by."""

    name: str
    title: str | Promise
    cell: Callable[[Listed], Any]
    order: Sequence[str] = ()
    shown: bool = True
    numeric: bool = False

    @property
    def opening(self) -> SafeString:
        """The tag that begins each of its cells."""
        kind = format_html(' class="{}"', "num") if self.numeric else ""
        return format_html('<td data-cell="{}" data-label="{}"{}>', self.name, self.title, kind)


_PLACE: Final = format_html('<span class="material-symbols-outlined" aria-hidden="true">{}</span>', "location_on")


def chip(text: str, *, kind: str, address: str = "", title: str = "") -> SafeString:
    """Return a small label; with an address it leads to the list of all that bear it."""
    sign = _PLACE if kind == "region" else ""
    tag = "a" if address else "span"
    link = format_html(' href="{}"', address) if address else ""
    said = format_html(' title="{}"', title) if title else ""
    return format_html(
        '<{0} class="dbpower-chip dbpower-chip-{1}"{2}{3}>{4}{5}</{0}>', tag, kind, link, said, sign, text
    )


def _label_chip(kind: str, label: str, title: str) -> SafeString:
    """Return a label that leads to all that bear it: a plus sign in it would be a space in an address."""
    return chip(label, kind=kind, address=f"?{urlencode({kind: label})}", title=title)


def _name(listed: Listed) -> SafeString:
    collector = listed.row
    page = reverse("admin:collectors_collector_change", args=[collector.pk])
    tags = [row.tag for row in collector.tags.all()]
    chips = []
    if collector.region:
        chips.append(_label_chip("region", collector.region, _("Region")))
    chips += [_label_chip("tag", tag, _("Tag")) for tag in tags[:_TAGS_SHOWN]]
    if len(tags) > _TAGS_SHOWN:
        chips.append(chip(f"+{len(tags) - _TAGS_SHOWN}", kind="more", title=", ".join(tags[_TAGS_SHOWN:])))
    return format_html(
        '<a class="dbpower-name" href="{}">{}</a>{}',
        page,
        collector.name,
        format_html('<span class="dbpower-chips">{}</span>', format_html_join("", "{}", ((c,) for c in chips)))
        if chips
        else "",
    )


def _status(listed: Listed) -> SafeString:
    status = listed.row.heartbeat.status
    shown = format_html(
        '<span class="dbpower-label dbpower-{}"><span aria-hidden="true">{}</span> {}</span>',
        STATUS_COLOURS.get(status, "default"),
        STATUS_SIGNS.get(status, ""),
        status,
    )
    if listed.late:
        said = _("More than two heartbeats were missed.")
        word = format_html('<span aria-hidden="true">◷</span> {}', _("late"))
        shown += format_html('<span class="dbpower-label dbpower-warning-label" title="{}">{}</span>', said, word)
    if listed.row.source_readable is False:
        shown += _doing(_("source"), "✗", _("unreadable"), "danger")
    if listed.row.key_rotation_requested_at is not None:
        shown += _doing(_("rotate key"), "…", _("asked"), "info")
    if listed.command is not None:
        sign, state, colour = _ASKED[listed.command.state]
        command = labels.label_of(labels.COMMANDS, listed.command.command)
        shown += _doing(command, sign, str(state), colour)
    return format_html('<span class="dbpower-statuses">{}</span>', shown)


def _doing(what: Any, sign: str, word: str, colour: str) -> SafeString:
    """Return what was asked of the collector, and how far it got."""
    return format_html(
        '<span class="dbpower-doing dbpower-{}">{} <span aria-hidden="true">{}</span> {}</span>',
        colour,
        what,
        sign,
        word,
    )


def _label(said: tuple[str, Any] | None, colours: dict[str, str]) -> SafeString | str:
    """Return a word as a label; its colour goes by the first of the two."""
    if said is None:
        return NOTHING
    value, word = said
    return format_html('<span class="dbpower-label dbpower-{}">{}</span>', colours.get(value, "default"), word)


def _role(listed: Listed) -> SafeString | str:
    role = listed.row.ha_role
    return _label(None if role is None else (role, labels.label_of(labels.HA_ROLES, role)), ROLE_COLOURS)


def _data(listed: Listed) -> SafeString | str:
    """Return whether the data is as new as it should be, and how new."""
    fresh = listed.row.is_data_fresh(listed.now)
    if fresh is None:
        return NOTHING
    sign, word, colour = ("●", _("fresh"), "success") if fresh else ("○", _("stale"), "warning")
    return format_html(
        '<span class="dbpower-two"><span class="dbpower-ink-{}"><span aria-hidden="true">{}</span> {}</span> {}</span>',
        colour,
        sign,
        word,
        ago(listed.row.data_until, now=listed.now, never=_("none yet")),
    )


def _per_minute(listed: Listed) -> SafeString | str:
    if listed.per_minute is None:
        return NOTHING
    rate = listed.row.query_rate
    decimals = 1 if 0 < listed.per_minute < _ONE_DECIMAL_BELOW else 0
    return format_html(
        '<span title="{}">{}</span>',
        _("Average from %(since)s to %(until)s UTC")
        % {"since": f"{rate.since:%H:%M}", "until": f"{rate.collected_at:%H:%M}"},
        number(listed.per_minute, decimals),
    )


def _errors(listed: Listed) -> SafeString:
    heartbeat = listed.row.heartbeat
    count = number(heartbeat.errors_count)
    if not heartbeat.errors_count:
        return format_html('<span class="dbpower-faint">{}</span>', count)
    return format_html('<span title="{}">{}</span>', heartbeat.last_error[:500], count)


def _online(listed: Listed) -> SafeString:
    sign, word = ("●", _("yes")) if listed.online else ("○", _("no"))
    return format_html('<span aria-hidden="true">{}</span> {}', sign, word)


COLUMNS: Final = (
    Column("name", gettext_lazy("Name"), _name, ("name",)),
    Column("status", gettext_lazy("Status"), _status, ("heartbeat__status",)),
    Column("role", gettext_lazy("Role"), _role),
    Column(
        "heartbeat",
        gettext_lazy("Last heartbeat"),
        lambda at: ago(at.row.heartbeat.last_heartbeat, now=at.now, never=_("never")),
        ("heartbeat__last_heartbeat",),
    ),
    Column(
        "collection",
        gettext_lazy("Last collection"),
        lambda at: ago(at.row.heartbeat.last_collection, now=at.now, never=_("never")),
        ("heartbeat__last_collection",),
    ),
    Column("data", gettext_lazy("Data"), _data),
    Column("per_minute", gettext_lazy("Queries/min"), _per_minute, ("query_rate__per_minute",), numeric=True),
    Column("errors", gettext_lazy("Errors"), _errors, ("heartbeat__errors_count",), numeric=True),
    Column("version", gettext_lazy("Version"), lambda at: at.row.heartbeat.version or NOTHING, ("heartbeat__version",)),
    Column("team", gettext_lazy("Team"), lambda at: str(at.row.team), ("team__name",)),
    Column("organization", gettext_lazy("Organization"), lambda at: str(at.row.organization), shown=False),
    Column("database", gettext_lazy("Database"), lambda at: str(at.row.database), ("database__name",), shown=False),
    Column("type", gettext_lazy("Type"), lambda at: at.row.type, ("type",), shown=False),
    Column(
        "source",
        gettext_lazy("Source"),
        lambda at: _label(SOURCE_WORDS.get(at.row.source_readable), SOURCE_COLOURS),
        shown=False,
    ),
    Column("online", gettext_lazy("Online"), _online, shown=False),
    Column(
        "queries",
        gettext_lazy("Queries"),
        lambda at: number(at.row.heartbeat.queries_collected),
        ("heartbeat__queries_collected",),
        shown=False,
        numeric=True,
    ),
    Column("region", gettext_lazy("Region"), lambda at: at.row.region or NOTHING, ("region",), shown=False),
    Column(
        "created",
        gettext_lazy("Registered"),
        lambda at: ago(at.row.created_at, now=at.now),
        ("created_at",),
        shown=False,
    ),
)
BY_NAME: Final = {column.name: column for column in COLUMNS}
# Without its name nobody knows which collector a row is.
ALWAYS: Final = "name"


def chosen(names: Sequence[str]) -> list[Column]:
    """Return the columns of those names in their order here; of no names, those that are shown to everybody."""
    if not names:
        return [column for column in COLUMNS if column.shown]
    return [column for column in COLUMNS if column.name in names or column.name == ALWAYS]
