"""Collectors: the list, one collector's page, and what can be asked of them."""

from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from collectors.access import visible_to
from collectors.admin import consequences, signed_in, undo
from collectors.admin.actions import Outcome, scoped_action
from collectors.admin.base import ScopedModelAdmin
from collectors.admin.collector_filters import FILTERS
from collectors.admin.collector_list import CollectorList, LiveCollectorList
from collectors.admin.connections import CONNECTION_FIELDS, ConnectionForm, initial_of
from collectors.admin.consequences import Consequences
from collectors.admin.forms import RefusableForm
from collectors.admin.labels import RegionField, TagsField
from collectors.admin.pages import collector_list as pages
from collectors.admin.pages.arrival import arrival_page
from collectors.admin.pages.collector import live_page, page_of
from collectors.admin.pages.grants import grants_page
from collectors.admin.pages.keys import keys_page
from collectors.admin.pages.register import register_page
from collectors.admin.site import site
from collectors.domain.actors import Actor
from collectors.domain.commands import CommandType
from collectors.domain.roles import Permission
from collectors.models import Collector, SavedFilter
from collectors.services import collector_keys, collectors, commands, configs
from collectors.services.errors import Refused

_UNDO: Final = "dbpower_undo"
_CONNECTION: Final[Any] = (
    _("Connection to the database"),
    {"fields": list(CONNECTION_FIELDS), "classes": ["collapse"]},
)


class CollectorForm(RefusableForm, ConnectionForm):
    """What can be changed of a collector."""

    class Meta:
        model = Collector
        fields = ["name", "collection_interval_minutes", "region"]

    region = RegionField()
    tags = TagsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "db_password" in self.fields:
            self.fields["db_password"].help_text = gettext("Empty: the stored one stays.")
        try:
            stored = configs.decrypt(collector_id=self.instance.pk, ciphertext=self.instance.config)
        except Refused:
            # The page says so; what is entered here takes its place.
            stored = {}
        self.initial.update(initial_of(stored))
        if self.instance.pk:
            self.initial["tags"] = ", ".join(row.tag for row in self.instance.tags.all())

    def clean(self) -> dict[str, Any] | None:
        """Require a password where the name of one is taken out: nothing would take its place."""
        cleaned = super().clean()
        named = self.initial.get("db_password_from") and not self.cleaned_data.get("db_password_from")
        if named and not self.cleaned_data.get("db_password") and "db_password_from" not in self.errors:
            self.add_error("db_password", gettext("Enter the password that takes the secret's place."))
        if self.connection_changed and self.config_seen != str(self.instance.config_version):
            # What is sent is compared with what is stored: an old form would bring back what somebody else has changed since.
            self.add_error(
                None,
                gettext(
                    "The connection was changed by somebody else while this page was open. "
                    "Open it anew, and change what is still to be changed."
                ),
            )
        return cleaned

    @property
    def config_seen(self) -> str:
        """The version of the configuration that the page showed; programs that name none mean the present one."""
        present = str(self.instance.config_version)
        return str(self.data.get("config_seen", present)) if self.is_bound else present

    @property
    def connection_changed(self) -> bool:
        """Whether any member of the connection differs from the stored one, or a password was typed."""
        return not set(CONNECTION_FIELDS).isdisjoint(self.changed_data)


@admin.register(Collector, site=site)
class CollectorAdmin(ScopedModelAdmin):
    """Collectors of the signed-in person's teams."""

    view_permission = Permission.COLLECTOR_VIEW
    add_permission = Permission.COLLECTOR_KEY
    change_permission = Permission.COLLECTOR_MANAGE
    delete_permission = Permission.COLLECTOR_MANAGE
    form = CollectorForm
    change_form_template = "admin/dbpower/collector.html"
    change_list_template = "admin/dbpower/collectors.html"
    list_filter: ClassVar[Any] = FILTERS
    list_fullwidth = True
    # Its list and its script ask where that is due: what is stopped by one click is started by another.
    always_asks = False
    found_everywhere = True
    search_fields = ["name"]
    fieldsets: ClassVar[Any] = [
        (None, {"fields": ["name", "collection_interval_minutes", "region", "tags"]}),
        _CONNECTION,
    ]
    actions = ["start", "stop", "collect", "rotate_key_by_agent", "rotate_key", "revoke_key"]

    # -- The list ------------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the list that knows its rows; asked for again, it counts nothing."""
        return LiveCollectorList if pages.is_live(request) else CollectorList

    def get_urls(self) -> list[URLPattern]:
        """Add what the list and the page of one collector ask for beside themselves."""
        views = {
            "live": pages.live_rows,
            "choices": pages.choices,
            "columns": pages.columns,
            "filters": pages.saved_filters,
        }
        of_one = {"arrival": arrival_page, "now": live_page}
        guarded = self.admin_site.admin_view
        own = [
            path("grants/", guarded(require_safe(partial(grants_page, self))), name=self._view_name("grants")),
            *(
                path(f"{name}/", guarded(partial(view, self)), name=self._view_name(name))
                for name, view in views.items()
            ),
            *(
                path(
                    f"<path:object_id>/{name}/",
                    guarded(require_safe(partial(view, self))),
                    name=self._view_name(name),
                )
                for name, view in of_one.items()
            ),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Answer the list; opened without any filter, it shows the person's default one."""
        if request.method == "GET" and not request.META.get("QUERY_STRING") and self.has_view_permission(request):
            own = visible_to(SavedFilter.objects.filter(is_default=True), signed_in.principal(request)).first()
            if own is not None and own.query:
                return HttpResponseRedirect(f"{request.path}?{own.query}")
        offered = request.session.pop(_UNDO, None) if request.method == "GET" and _UNDO in request.session else None
        # Django's own script for actions knows only the rows that were there at first.
        extra = {
            **(extra_context or {}),
            "undo": undo.still_good(offered),
            "media": Media(),
            "actions_of_list": self._bar(request),
        }
        return super().changelist_view(request, extra)

    def _bar(self, request: HttpRequest) -> list[Any]:
        return [action[0].button for action in self.get_actions(request).values()]

    def offer_undo(self, request: HttpRequest, name: str, rows: list[Any]) -> None:
        """Let the next page offer to undo what was done to those rows that were otherwise before."""
        ids = [row.pk for row in rows if row.auto_collect]
        if ids:
            request.session[_UNDO] = {"action": name, "ids": ids, "until": undo.good_until()}
            request.__dict__[_UNDO] = True

    def object_action(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Run an action on one collector; the list's script is told in few words what came of it."""
        response = super().object_action(request, object_id, name)
        if "X-DBPower-Live" not in request.headers or response.status_code != HTTPStatus.FOUND:
            return response
        said = [{"level": message.level_tag, "text": str(message)} for message in messages.get_messages(request)]
        # What an earlier request did, maybe to another collector, stays offered by the list's next page.
        offered = request.session.pop(_UNDO, None) if request.__dict__.get(_UNDO) else None
        return JsonResponse({"messages": said, "undo": offered and self._address("do", object_id, offered["action"])})

    # -- One collector -------------------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Show the form to register a collector, and its key once."""
        return register_page(self, request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one collector with its facts and histories."""
        collector = self.get_object(request, object_id)
        extra = dict(extra_context or {})
        if collector is not None and self.has_view_permission(request, collector):
            extra |= page_of(request, collector)
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def change(self, request: HttpRequest, obj: Collector, form: Any) -> None:
        """Change name, interval and connection; a new connection travels to the agent as a command."""
        chosen = form.cleaned_data
        collectors.change_collector(
            collector=obj,
            actor=signed_in.actor(request),
            name=chosen["name"],
            collection_interval_minutes=chosen["collection_interval_minutes"],
            config=form.config() if form.connection_changed else None,
            region=chosen["region"],
            tags=chosen["tags"],
        )

    def consequences(self, request: HttpRequest, obj: Collector) -> Consequences:
        """Return what comes of removing it."""
        return consequences.of_collector(obj, signed_in.principal(request))

    def remove(self, request: HttpRequest, obj: Collector) -> None:
        """Remove it; its key ends, the database's history stays."""
        collectors.delete_collector(collector=obj, actor=signed_in.actor(request))

    # -- Actions -------------------------------------------------------------------------------------------------------

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Start"),
        icon="play_arrow",
        done=_("Asked to start: {names}."),
        offered=lambda collector: not collector.auto_collect,
    )
    def start(self, row: Any, actor: Actor) -> Any:
        """Switch automatic collection on."""
        return commands.request_command(collector=row, command=CommandType.START, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Stop"),
        icon="stop",
        done=_("Asked to stop: {names}."),
        offered=lambda collector: collector.auto_collect,
        asks=_(
            "The agent stops collecting with its next heartbeat, and lives on. A collector that stands by takes over; "
            "without one, new numbers come only after the next start."
        ),
        undone_by="start",
    )
    def stop(self, row: Any, actor: Actor) -> Any:
        """Switch automatic collection off; the agent lives on."""
        return commands.request_command(collector=row, command=CommandType.STOP, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_COMMAND,
        label=_("Collect now"),
        icon="download",
        done=_("Asked to collect now: {names}."),
    )
    def collect(self, row: Any, actor: Actor) -> Any:
        """Collect once, now."""
        return commands.request_command(collector=row, command=CommandType.COLLECT, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_MANAGE,
        label=_("Rotate key"),
        icon="autorenew",
        done=_("Their agents make new keys with the next heartbeat: {names}."),
        offered=lambda collector: collector.api_key_hash and not collector.key_rotation_requested_at,
    )
    def rotate_key_by_agent(self, row: Any, actor: Actor) -> Any:
        """Ask the agent to make a new key, which nobody sees."""
        return collector_keys.request_rotation(collector=row, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_MANAGE,
        label=_("Revoke keys"),
        icon="key_off",
        variant="danger",
        done=_("Without a key now: {names}."),
        offered=lambda collector: bool(collector.api_key_hash),
        asks=_(
            "The agent is refused from its next request on, until somebody makes a new key by hand and installs it. "
            "This cannot be undone."
        ),
    )
    def revoke_key(self, row: Any, actor: Actor) -> Any:
        """End every key at once."""
        return collector_keys.revoke(collector=row, actor=actor)

    @scoped_action(
        permission=Permission.COLLECTOR_KEY,
        label=_("New key by hand"),
        icon="key",
        page="show_keys",
        asks=_(
            "The new key is shown once, and you install it on the agent's host. The present key is good for one more day."
        ),
    )
    def rotate_key(self, row: Any, actor: Actor) -> Any:
        """Make a new key, which the page that follows shows once."""
        return collectors.rotate_key(collector=row, actor=actor)

    def show_keys(self, request: HttpRequest, outcomes: list[Outcome]) -> HttpResponse:
        """Show the new keys, this once."""
        return keys_page(self, request, [outcome.result for outcome in outcomes])
