"""The admin site. Only what is registered here is in it: apps that register themselves elsewhere stay out."""

import re
import time
from functools import partial, update_wrapper
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth import REDIRECT_FIELD_NAME, update_session_auth_hash
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from unfold.dataclasses import SearchResult
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.sites import UnfoldAdminSite

from collectors.access import own_acts, visible_to
from collectors.admin import refusals, signed_in
from collectors.admin.audit_words import tell
from collectors.models import User
from collectors.services import logins, people
from collectors.services.errors import Refused, TooManyAttempts

_SHOWN_PER_TABLE: Final = 20
_RECENT: Final = 10
_LONGEST_SEARCH: Final = 200
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_VIEWS_OF_A_ROW: Final = ("change", "delete", "history", "do")


def _views_of(model: type[Model]) -> set[str]:
    return {f"{model._meta.app_label}_{model._meta.model_name}_{view}" for view in _VIEWS_OF_A_ROW}


class SignInForm(AuthenticationForm):
    """The sign-in form. Every refusal reads the same and is written into the audit."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _(
            "The e-mail address or the password is not right, or the account belongs to no organization."
        ),
    }

    retry_after_seconds = 0

    def clean(self) -> dict[str, Any]:
        """Sign in, or refuse and record it. The same attempts are counted here as in the API."""
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email is None or not password or self.request is None:
            return self.cleaned_data
        actor = signed_in.actor(self.request)
        try:
            self.user_cache = logins.check_credentials(email=email, password=password, actor=actor)
        except TooManyAttempts as refusal:
            self.retry_after_seconds = refusal.retry_after_seconds
            raise ValidationError(str(refusal), code=refusal.code) from refusal
        if self.user_cache is None:
            raise self.get_invalid_login_error()
        self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data

    def confirm_login_allowed(self, user: Any) -> None:
        """Refuse somebody who belongs nowhere, in the same words, and record it."""
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            if self.request is not None:
                logins.record_refused(email=user.email, actor=signed_in.actor(self.request))
            raise


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """One's own new password, set by the service that also ends all other logins and personal tokens."""

    request: HttpRequest

    def clean_old_password(self) -> str:
        """Check the present password; guesses are counted like those of somebody who signs in."""
        password: str = self.cleaned_data["old_password"]
        try:
            if logins.check_own_password(user=self.user, password=password, actor=signed_in.actor(self.request)):
                return password
        except TooManyAttempts as refusal:
            raise ValidationError(str(refusal), code=refusal.code) from refusal
        raise ValidationError(self.error_messages["password_incorrect"], code="password_incorrect")

    def save(self, commit: bool = True) -> Any:  # noqa: FBT001, ARG002
        """Set the password; tokens and other sessions are void from now on."""
        password = self.cleaned_data["new_password1"]
        return people.change_own_password(user=self.user, password=password, actor=signed_in.actor(self.request))


class OwnPasswordView(PasswordChangeView):
    """Changes one's own password."""

    form_class = OwnPasswordForm

    def get_form(self, form_class: Any = None) -> Any:
        """Return the form, which records who asks."""
        form: Any = super().get_form(form_class)
        form.request = self.request
        return form

    def form_valid(self, form: Any) -> HttpResponse:
        """Change it, or say why not. This session goes on."""
        try:
            user = form.save()
        except Refused as refusal:
            refusals.record_refused(self.request, refusal)
            form.add_error("new_password1", refusal.errors.get("password", [str(refusal)]))
            return self.form_invalid(form)
        update_session_auth_hash(self.request, user)
        response: HttpResponse = super(PasswordChangeView, self).form_valid(form)
        return response


class ConsoleSite(UnfoldAdminSite):
    """The operators' console. What it lists by itself is scoped like the tables."""

    index_template = "admin/dbpower/home.html"
    index_title = _("Home")
    login_form = SignInForm
    enable_nav_sidebar = True

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        # Removing goes object by object, through a service that may refuse.
        self.disable_action("delete_selected")

    def extra_urls(self) -> list[URLPattern]:
        """Return the pages that belong to no table."""
        from collectors.admin.pages.home import fleet_page
        from collectors.admin.pages.invitation import invitation_page
        from collectors.admin.pages.preferences import preferences_page
        from collectors.admin.pages.queries import queries_export_page, queries_page
        from collectors.admin.pages.query import query_page
        from collectors.admin.pages.query_plan import query_plan_part
        from collectors.admin.pages.second_factor import second_factor_page
        from collectors.admin.pages.tokens import tokens_page
        from collectors.admin.undo import undo_page

        return [
            path("fleet/", self.admin_view(fleet_page), name="fleet"),
            path("queries/", self.admin_view(queries_page), name="queries"),
            path("preferences/", self.admin_view(partial(preferences_page, self)), name="preferences"),
            path("queries/export/", self.admin_view(queries_export_page), name="queries_export"),
            path("queries/<str:pk>/", self.admin_view(query_page), name="query"),
            path("queries/<str:pk>/plan/", self.admin_view(query_plan_part), name="query_plan"),
            path("undo/", self.admin_view(undo_page), name="undo"),
            path("tokens/", self.admin_view(partial(tokens_page, self)), name="tokens"),
            # Not behind `admin_view`: whoever is invited has no account yet, and who proved the password is not in yet.
            path("invitation/", never_cache(partial(invitation_page, self)), name="invitation"),
            path("second-factor/", never_cache(partial(second_factor_page, self)), name="second_factor"),
        ]

    def get_urls(self) -> Any:
        """Return the addresses, without the one that leads from any row of any table to its page elsewhere: there is none."""
        return [url for url in super().get_urls() if getattr(url, "name", None) != "view_on_site"]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001 - Django's signature
        """Guard a page; somebody whose role is too small for it is written into the audit."""
        guarded = super().admin_view(view, cacheable)

        def recorded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                return guarded(request, *args, **kwargs)
            except PermissionDenied:
                number = str(kwargs.get("object_id", ""))
                refusals.record(request, row=self._visible_row(request, number), number=number)
                raise
            except Http404:
                # An address that there is for nobody asks for nothing.
                if "object_id" in kwargs or (request.method == "POST" and "url" not in kwargs):
                    refusals.record(request, number=kwargs.get("object_id", ""), reason=refusals.NOT_FOUND)
                raise

        return update_wrapper(recorded, guarded)

    def _visible_row(self, request: HttpRequest, number: str) -> Model | None:
        """Return the row that an address names, if there is one that whoever is signed in may see."""
        if not _NUMBER.fullmatch(number) or not request.resolver_match:
            return None
        asking = signed_in.principal(request)
        for model in self._registry:
            if request.resolver_match.url_name in _views_of(model):
                return visible_to(model._default_manager.all(), asking).filter(pk=int(number)).first()
        return None

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may be in the console: signed in, with the second factor where there is or must be one."""
        return super().has_permission(request) and signed_in.with_second_factor(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign in; somebody who tried too often is told when to come back, and who proved only the password goes on from there."""
        if request.method == "GET" and super().has_permission(request) and not self.has_permission(request):
            wanted = urlencode({"next": request.GET.get(REDIRECT_FIELD_NAME, "")})
            return HttpResponseRedirect(f"{reverse('admin:second_factor')}?{wanted}")
        response: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            self._record_login(request)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, SignInForm) and form.retry_after_seconds:
            response.status_code = 429
            response["Retry-After"] = str(form.retry_after_seconds)
        return response

    def _record_login(self, request: HttpRequest) -> None:
        user, actor = signed_in.user(request), signed_in.actor(request)
        if self.has_permission(request):
            logins.record_opened(user=user, actor=actor, way="console", second_factor=False)
        else:
            logins.record_password_proven(user=user, actor=actor)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Sign out."""
        if request.method == "POST" and isinstance(request.user, User):
            logins.record_ended(user=request.user, actor=signed_in.actor(request))
        return super().logout(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what is wrong, what costs most, and what the signed-in person did last, as far as that is still theirs to see."""
        from collectors.admin.pages.home import home_context

        asking = signed_in.principal(request)
        recent = tell(own_acts(asking, limit=_RECENT), asking)
        return super().index(request, {**home_context(request), "recent": recent, **(extra_context or {})})

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:  # noqa: ARG002
        """Find tables and rows by name. Unfold would keep the answers for minutes, past a lost role, and read whole tables."""
        started = time.monotonic()
        term = request.GET.get("s", "").strip().lower()[:_LONGEST_SEARCH].replace("\0", "")
        if not term:
            return HttpResponse()
        results = self._search_apps(self.get_app_list(request), term)
        extended = "extended" in request.GET
        if extended:
            results += self._rows_found(request, term)
        pages = Paginator(results, max(len(results), 1))
        context = {
            "page_obj": pages,
            "results": pages.page(1),
            "page_counter": 0,
            "execution_time": time.monotonic() - started,
            "command_show_history": False,
        }
        name = "command_results" if extended else "search_results"
        return TemplateResponse(request, f"unfold/helpers/{name}.html", context, headers={"HX-Trigger": "search"})

    def _rows_found(self, request: HttpRequest, term: str) -> list[Any]:
        found = []
        for model, table in self._registry.items():
            if not getattr(table, "found_everywhere", False) or not table.has_view_permission(request):
                continue
            rows, duplicates = table.get_search_results(request, table.get_queryset(request), term)
            for row in (rows.distinct() if duplicates else rows)[:_SHOWN_PER_TABLE]:
                link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=(row.pk,))
                noun = str(model._meta.verbose_name)
                found.append(SearchResult(title=str(row), description=noun, link=link, icon="data_object"))
        return found

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Change one's own password."""
        context = {**self.each_context(request), **(extra_context or {})}
        done = reverse("admin:password_change_done", current_app=self.name)
        view = OwnPasswordView.as_view(
            success_url=done, extra_context=context, template_name="registration/password_change_form.html"
        )
        request.current_app = self.name
        return view(request)


site = ConsoleSite()
