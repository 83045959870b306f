"""What every page of the admin is built on: rows, choices and permissions come from `collectors.access` alone."""

from typing import Any, ClassVar, Final

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.filters import ListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db import DataError, IntegrityError
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from collectors.access import may, permitted, visible_to
from collectors.admin import refusals, signed_in, undo
from collectors.admin.actions import MAX_ROWS, ActionButton, ScopedAction
from collectors.admin.consequences import TYPED, Consequences
from collectors.admin.forms import RefusableForm
from collectors.admin.history import AuditedModelAdmin
from collectors.admin.lists import BoundedList, BoundedPaginator
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.services.errors import Conflict, Refused

_LOOKUPS: Final = ("exact", "id__exact", "pk__exact", "in", "isnull", "gte", "gt", "lte", "lt", "year", "month", "day")
MAX_ID_DIGITS: Final = 18
_REFUSAL: Final = "_dbpower_refusal"


def number_in(request: HttpRequest, name: str) -> int:
    """Return the number that the address gives for a name, 0 where it gives none."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0


class ScopedModelAdmin(AuditedModelAdmin):
    """A table in the admin, scoped to whoever is signed in.

    Subclasses name the permission for each act; what they do not name is refused to everybody, SUPER_ADMIN too. Writing is
    done by `create`, `change` and `remove`, which call services; nothing is saved here.
    """

    view_permission: ClassVar[Permission]
    # What a related row must permit to be offered in a form, by field; rows that may be seen are offered otherwise.
    choice_permissions: ClassVar[dict[str, Permission]] = {}

    # What a list says that holds nothing, beyond that it does; and the words of the button that adds the first row.
    empty_text: ClassVar[Any] = ""
    add_words: ClassVar[Any] = ""
    # What is said once a row was removed.
    removed_words: ClassVar[Any] = gettext_lazy("%(name)s is removed.")

    # Whether an action that says what will happen does so however it is asked for.
    always_asks: ClassVar[bool] = True

    # Whether the search that spans all tables finds rows of this one.
    found_everywhere: ClassVar[bool] = False

    # The related rows, by the path to them, among which a search looks first: they are fewer than the rows of the table.
    searched_through: ClassVar[str] = ""

    form = RefusableForm
    list_filter_submit = True
    list_per_page = limits.PAGE_SIZE
    list_max_show_all = limits.MAX_PAGE_SIZE
    show_full_result_count = False
    paginator = BoundedPaginator
    show_facets = ShowFacets.NEVER
    change_form_template = "admin/dbpower/change_form.html"
    delete_confirmation_template = "admin/dbpower/delete_confirmation.html"
    save_on_top = False
    warn_unsaved_form = False

    # -- Rows ----------------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that may be seen. Lists, pages, searches, actions and autocompletion all start from here."""
        return visible_to(super().get_queryset(request), signed_in.principal(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that a search finds, and whether some may be in it twice.

        Too many words find nothing: each of them is one more scan. Where few related rows are found, the rows are those that
        belong to them, and an index leads there. Where many are, the newest rows soon hold a page of such.
        """
        if len(search_term) > limits.MAX_SEARCH_CHARACTERS or len(search_term.split()) > limits.MAX_SEARCH_WORDS:
            return queryset.none(), False
        if not (self.searched_through and search_term):
            return super().get_search_results(request, queryset, search_term)
        related: Any = get_fields_from_path(self.model, self.searched_through)[-1].remote_field
        table = self.admin_site.get_model_admin(related.model)
        rows, _ = table.get_search_results(request, table.get_queryset(request), search_term)
        few = list(rows.order_by().values_list("pk", flat=True)[: limits.MAX_PAGE_SIZE + 1])
        if len(few) > limits.MAX_PAGE_SIZE:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(**{f"{self.searched_through}__in": few}), False

    def formfield_for_foreignkey(self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Offer only related rows that may be seen, or on which the needed permission holds."""
        rows = db_field.remote_field.model._default_manager.all()
        permission = self.choice_permissions.get(db_field.name)
        asking = signed_in.principal(request)
        kwargs["queryset"] = permitted(rows, asking, permission) if permission else visible_to(rows, asking)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Leave out the buttons that add or change related rows in a popup: each noun has its page."""
        formfield: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if formfield is not None and isinstance(formfield.widget, RelatedFieldWidgetWrapper):
            formfield.widget = formfield.widget.widget
        return formfield

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:  # noqa: ARG002
        """Allow the filters that are declared and nothing else.

        Django allows every local column, and so would let anybody guess a key's hash letter by letter with
        `?api_key_hash__startswith=`.
        """
        names = self._filter_names(request)
        return lookup in {*names, *(f"{name}__{suffix}" for name in names for suffix in _LOOKUPS)}

    def _filter_names(self, request: HttpRequest | None) -> list[str]:
        declared = self.get_list_filter(request) if request is not None else self.list_filter
        names = [self.date_hierarchy] if self.date_hierarchy else []
        for item in declared:
            if isinstance(item, list | tuple):
                names.append(str(item[0]))
            elif isinstance(item, type) and issubclass(item, ListFilter):
                names += getattr(item, "PARAMETERS", None) or [str(getattr(item, "parameter_name", ""))]
            else:
                names.append(str(item))
        return names

    # -- Permissions ---------------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the row, or anything at all, may be seen."""
        return self._permits(request, self.view_permission, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether something may be added somewhere; where exactly is up to the form's choices."""
        return self._permits(request, self.add_permission, None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the row may be changed."""
        return self._permits(request, self.change_permission, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the row may be removed."""
        return self._permits(request, self.delete_permission, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether the table appears in lists of tables."""
        return self.has_view_permission(request)

    def _permits(self, request: HttpRequest, permission: Permission | None, obj: Any) -> bool:
        if permission is None:
            return False
        asking = signed_in.principal(request)
        return may(asking, permission, obj) if isinstance(obj, Model) else asking.holds(permission)

    # -- Writing -------------------------------------------------------------------------------------------------------

    def create(self, request: HttpRequest, form: Any) -> Model:  # noqa: ARG002
        """Create what the form asks for, by a service, and return it."""
        raise PermissionDenied

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:  # noqa: ARG002
        """Change the stored row as the form asks, by a service."""
        raise PermissionDenied

    def remove(self, request: HttpRequest, obj: Any) -> None:  # noqa: ARG002
        """Remove the row, by a service."""
        raise PermissionDenied

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Hand the form over to a service; the object that Django filled in is only for showing."""
        if change:
            self.change(request, self.get_queryset(request).get(pk=obj.pk), form)
        else:
            # The rest of Django's page goes on with its own object.
            obj.__dict__.update(self.create(request, form).__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Do nothing: there are no inline forms and no many-to-many fields."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Remove by a service."""
        self.remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Remove one by one, by a service."""
        for obj in queryset:
            self.remove(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001
        """Return a form class of this request, which knows what a service refused in it."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = request.__dict__.get(_REFUSAL)
        return form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        """Answer the form; one that a service refused is shown again with the reason."""
        extra = {**(extra_context or {}), "scoped_actions": self._buttons(request, object_id)}
        extra |= {"show_save_and_add_another": False, "show_history": self._may_see_history(request)}
        try:
            return super().changeform_view(request, object_id, form_url, extra)
        except Refused as refusal:
            request.__dict__[_REFUSAL] = refusal
        except IntegrityError:
            request.__dict__[_REFUSAL] = Conflict(_("Something of this name exists already."), code="exists")
        refused_row = self.get_object(request, unquote(object_id)) if object_id is not None else None
        refusals.record_refused(request, request.__dict__[_REFUSAL], row=refused_row)
        return super().changeform_view(request, object_id, form_url, extra)

    def consequences(self, request: HttpRequest, obj: Any) -> Consequences:  # noqa: ARG002
        """Return what is said before a row is removed."""
        return Consequences()

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Say what will happen, and do it once that is confirmed; a refusal becomes a message on the object's page."""
        obj = self.get_object(request, unquote(object_id))
        told = None
        if obj is not None and self.has_delete_permission(request, obj):
            told = self.consequences(request, obj)
            if request.method == "POST" and told.typed and request.POST.get(TYPED, "").strip() != told.typed:
                messages.error(request, _("Nothing was removed: what you typed is not the name."))
                return HttpResponseRedirect(request.path)
        try:
            return super().delete_view(request, object_id, {**(extra_context or {}), "consequences": told})
        except Refused as refusal:
            refusals.record_refused(request, refusal, row=self.get_object(request, unquote(object_id)))
            messages.error(request, str(refusal))
        return HttpResponseRedirect(self._address("change", object_id))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponse:  # noqa: ARG002
        """Say what was removed, and go to the list."""
        self.message_user(request, self.removed_words % {"name": obj_display}, messages.SUCCESS)
        return HttpResponseRedirect(self._address("changelist"))

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        """Say something, with a button that undoes it where what was done can be undone."""
        super().message_user(request, undo.with_button(request, message), *args, **kwargs)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Return what is said before removing. What else goes is the service's business; it refuses where something hangs on it."""
        lacking = {str(self.opts.verbose_name) for obj in objs if not self.has_delete_permission(request, obj)}
        return [str(obj) for obj in objs], {str(self.opts.verbose_name_plural): len(objs)}, lacking, []

    # -- Actions -------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """Add the one address through which buttons on an object's page run an action."""
        view = self.admin_site.admin_view(self.object_action)
        own = path("<path:object_id>/do/<slug:name>/", view, name=self._view_name("do"))
        return [own, *super().get_urls()]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions whose permission holds somewhere. Nothing but scoped actions ever passes."""
        asking = signed_in.principal(request)
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if action is not None and isinstance(action[0], ScopedAction) and asking.holds(action[0].permission)
        }

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Answer the list. An action that the role does not get anywhere is none here; that it was asked for is written down."""
        asked = set(request.POST.getlist("action"))
        if asked & set(super().get_actions(request)) - set(self.get_actions(request)):
            refusals.record(request, reason=refusals.NOT_OFFERED)
        asking = signed_in.principal(request)
        extra = {"empty_text": self.empty_text, "add_words": self.add_words}
        extra["may_invite"] = asking.holds(Permission.MEMBERSHIP_GIVE)
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *_args: Any, **_kwargs: Any) -> Any:
        """Run an action on the chosen rows, unless an id is not one."""
        chosen = request.POST.getlist("_selected_action")
        if not all(pk.isascii() and pk.isdigit() and len(pk) <= MAX_ID_DIGITS for pk in chosen):
            messages.warning(request, _("There is no such row."))
            return None
        self._record_unseen(request, chosen)
        return super().response_action(request, queryset)

    def _record_unseen(self, request: HttpRequest, chosen: list[str]) -> None:
        numbers = {int(pk) for pk in chosen[: MAX_ROWS + 1]}
        unseen = numbers - set(self.get_queryset(request).filter(pk__in=numbers).values_list("pk", flat=True))
        for number in sorted(unseen)[: limits.REFUSALS_WRITTEN_PER_MINUTE + 1]:
            refusals.record(request, number=number, reason=refusals.NOT_FOUND)

    def object_action(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Run an action on one object, from the button on its page. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        found = self.get_actions(request).get(name)
        if found is None:
            # Whether there is such an action at all, is not told.
            raise Http404
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._absent(request, object_id)
        if not may(signed_in.principal(request), found[0].permission, obj):
            raise PermissionDenied
        response: HttpResponse | None = found[0](self, request, self.get_queryset(request).filter(pk=obj.pk))
        return response or HttpResponseRedirect(self._after_action(request, object_id))

    def _after_action(self, request: HttpRequest, object_id: str) -> str:
        """Return where a button of an object leads: back to the list, as it was, if it stood there."""
        if "list" not in request.POST:
            return self._address("change", object_id)
        query = QueryDict(request.POST["list"]).urlencode()
        return self._address("changelist") + (f"?{query}" if query else "")

    def _buttons(self, request: HttpRequest, object_id: str | None) -> list[ActionButton]:
        """Return the actions that are offered on this object's page."""
        actions = [action[0] for action in self.get_actions(request).values()]
        if object_id is None or not actions:
            return []
        obj = self.get_object(request, unquote(object_id))
        asking = signed_in.principal(request)
        if obj is None:
            return []
        return [a.button for a in actions if a.offered(obj) and may(asking, a.permission, obj)]

    # -- Pages ---------------------------------------------------------------------------------------------------------

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list that the address asks for. Raises `IncorrectLookupParameters`, whatever is wrong with the address."""
        try:
            return super().get_changelist_instance(request)
        except (ValueError, OverflowError, DataError) as error:
            # No time, no number, or one beyond what the database holds: Django foresees some of them.
            raise IncorrectLookupParameters(error) from error

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the list that fetches its pages in two steps."""
        return BoundedList

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:  # noqa: ARG002
        """Go to the list; popups are not used."""
        return HttpResponseRedirect(self._address("changelist"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:  # noqa: ARG002
        """Return nothing: a link must not fill in a form."""
        return {}

    def _absent(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        """Answer alike for a row that is absent and one that may not be seen. Django's hook: all its pages end here."""
        refusals.record(request, number=object_id, reason=refusals.NOT_FOUND)
        response: HttpResponse = super()._get_obj_does_not_exist_redirect(request, opts, object_id)  # type: ignore[misc]
        return response

    def _view_name(self, view: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{view}"

    def _address(self, view: str, *args: Any) -> str:
        return reverse(f"admin:{self._view_name(view)}", args=args)
