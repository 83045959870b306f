"""The history of a row: what the audit holds of it. Django's own log is not written."""

from typing import Any, ClassVar, Final

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from collectors.access import visible_to
from collectors.admin import signed_in
from collectors.admin.audit_words import tell
from collectors.admin.shown import ShownModelAdmin
from collectors.domain.roles import Permission
from collectors.models import AuditEntry

_HISTORY: Final = 100


class AuditedModelAdmin(ShownModelAdmin):
    """A table whose rows are changed by services, which write the audit. Django's own log would be a second one, which knows no tenants."""

    add_permission: ClassVar[Permission | None] = None
    change_permission: ClassVar[Permission | None] = None
    delete_permission: ClassVar[Permission | None] = None

    object_history_template = "admin/dbpower/history.html"

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing: the service did."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Write nothing: the service did."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[Any]:  # noqa: ARG002
        """Write nothing: the service does."""
        return []

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the audit of one object, as far as the audit may be seen."""
        obj = self.get_object(request, unquote(object_id))
        if not self._may_see_history(request) or not self.has_view_permission(request, obj):
            raise PermissionDenied
        if obj is None:
            absent: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined] # Django's hook
            return absent
        asking = signed_in.principal(request)
        entries = AuditEntry.objects.filter(object_type=self.opts.model_name, object_id=obj.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("History of %(object)s") % {"object": obj},
            "told": tell(visible_to(entries, asking)[:_HISTORY], asking),
            "object": obj,
            "opts": self.opts,
            **(extra_context or {}),
        }
        return render(request, self.object_history_template, context)

    def _may_see_history(self, request: HttpRequest) -> bool:
        written_here = any((self.add_permission, self.change_permission, self.delete_permission))
        return written_here and signed_in.principal(request).holds(Permission.AUDIT_VIEW)
