"""What the list of collectors asks for beside itself: its rows again, completions, columns and saved filters."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseNotAllowed,
    HttpResponseNotModified,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _

from collectors.access import visible_to
from collectors.admin import refusals, signed_in
from collectors.admin.collector_columns import BY_NAME
from collectors.admin.collector_filters import PARAMETERS, choices_of
from collectors.admin.collector_list import filter_query
from collectors.domain import limits
from collectors.domain.roles import Permission
from collectors.models import SavedFilter
from collectors.services import list_views
from collectors.services.errors import Refused

_LIVE: Final = "_dbpower_live"
_LIST: Final = "admin:collectors_collector_changelist"
_LONGEST_TERM: Final = 100


def is_live(request: HttpRequest) -> bool:
    """Tell whether the request asks for the rows again."""
    return bool(request.__dict__.get(_LIVE))


def live_rows(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Answer with the rows of the list that the address names, as they are now; 304 where nothing is new."""
    _require_view(model_admin, request)
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    if "%00" in request.META.get("QUERY_STRING", ""):
        return HttpResponseBadRequest()
    request.__dict__[_LIVE] = True
    try:
        page = model_admin.get_changelist_instance(request)
    except IncorrectLookupParameters:
        return HttpResponseBadRequest()
    tag = f'"{page.version}"'
    same = request.headers.get("If-None-Match") == tag
    response = HttpResponseNotModified() if same else HttpResponse(page.rows)
    response["ETag"] = tag
    # The page compares by itself: what one person sees is kept by no cache.
    response["Cache-Control"] = "private, no-store"
    return response


def choices(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Answer with a few values of a filter that contain what was typed."""
    _require_view(model_admin, request)
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    term = request.GET.get("term", "").strip()[:_LONGEST_TERM].replace("\0", "")
    found = choices_of(request, request.GET.get("of", ""), term)
    if found is None:
        raise Http404
    response = JsonResponse({"choices": [{"value": value, "label": label} for value, label in found]})
    response["Cache-Control"] = "private, no-store"
    return response


def columns(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Keep which columns the person wants to see."""
    _require_view(model_admin, request)
    _require_own(request)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    wanted = [] if "reset" in request.POST else [name for name in request.POST.getlist("column") if name in BY_NAME]
    list_views.choose_columns(user=signed_in.user(request), columns=wanted)
    return HttpResponseRedirect(_back(request))


class SavedFilterForm(forms.Form):
    """A name for a filter."""

    name = forms.CharField(max_length=60)
    query = forms.CharField(max_length=limits.MAX_FILTER_CHARACTERS, required=False)
    is_default = forms.BooleanField(required=False)


def saved_filters(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the person's own filters; save, rename, choose and remove them."""
    _require_view(model_admin, request)
    _require_own(request)
    if request.method == "POST":
        try:
            return HttpResponseRedirect(_change_filters(request))
        except Refused as refusal:
            refusals.record_refused(request, refusal)
            messages.error(request, str(refusal))
        return HttpResponseRedirect(_back(request))
    own = visible_to(SavedFilter.objects.all(), signed_in.principal(request))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": _("Saved filters"),
        "opts": model_admin.opts,
        "saved": own,
    }
    return render(request, "admin/dbpower/saved_filters.html", context)


def _change_filters(request: HttpRequest) -> str:
    """Do what a form asks; return where to go on."""
    actor = signed_in.actor(request)
    if "save" in request.POST:
        form = _named(request)
        query = _allowed(form["query"])
        list_views.save_filter(
            user=signed_in.user(request), name=form["name"], query=query, is_default=form["is_default"], actor=actor
        )
        return f"{reverse(_LIST)}?{query or 'q='}"
    pk = request.POST.get("filter", "")
    if not (pk.isascii() and pk.isdigit() and len(pk) < len(str(2**63))):
        raise Http404
    own = visible_to(SavedFilter.objects.all(), signed_in.principal(request))
    saved = get_object_or_404(own, pk=int(pk))
    if "remove" in request.POST:
        list_views.remove_filter(saved=saved, actor=actor)
    elif "rename" in request.POST:
        list_views.rename_filter(saved=saved, name=_named(request)["name"], actor=actor)
    elif "default" in request.POST:
        list_views.choose_default(saved=saved, is_default=request.POST["default"] == "1", actor=actor)
    return reverse("admin:collectors_collector_filters")


def _named(request: HttpRequest) -> dict[str, Any]:
    """Return what the form says. Raises `Refused`."""
    form = SavedFilterForm(request.POST)
    if not form.is_valid():
        raise Refused(_("A filter needs a name of at most 60 characters."), code="invalid")
    return form.cleaned_data


def _allowed(query: str) -> str:
    """Return the part of an address that the list knows: what it does not know would keep it from opening."""
    found = QueryDict(query.replace("\0", ""))
    return filter_query({name: found[name] for name in (*PARAMETERS, "q", "o") if name in found})


def _back(request: HttpRequest) -> str:
    query = QueryDict(request.POST.get("list", "")).urlencode()
    return f"{reverse(_LIST)}?{query or 'q='}"


def _require_view(model_admin: Any, request: HttpRequest) -> None:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied


def _require_own(request: HttpRequest) -> None:
    if not signed_in.principal(request).holds(Permission.ACCOUNT_OWN):
        raise PermissionDenied
