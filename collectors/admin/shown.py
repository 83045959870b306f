"""What a table shows of its rows, in lists and on pages: times and numbers alike, and some of it to SUPER_ADMIN alone."""

from typing import Any, ClassVar

from django.http import HttpRequest
from unfold.admin import ModelAdmin

from collectors.admin import columns, signed_in


class ShownModelAdmin(ModelAdmin):
    """A table whose columns and fields are shown as the console shows them."""

    # Fields that count something, and are shown as numbers; times are shown as times without being named.
    numbers: ClassVar[tuple[str, ...]] = ()
    # Columns and fields that only SUPER_ADMIN sees.
    only_superuser: ClassVar[tuple[str, ...]] = ()

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, without those that only SUPER_ADMIN sees."""
        names = [name for name in super().get_list_display(request) if self._shown(request, name)]
        return [self._column(name) for name in names]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the fields, without those that only SUPER_ADMIN sees."""
        return [
            (title, {**options, "fields": [name for name in options["fields"] if self._shown(request, name)]})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Show times and numbers that nobody can change as the lists show them."""
        page = context["adminform"]
        readonly = {name: self._column(name) for name in page.readonly_fields}
        page.readonly_fields = list(readonly.values())
        page.fieldsets = [
            (title, {**options, "fields": [readonly.get(name, name) for name in options["fields"]]})
            for title, options in page.fieldsets
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def _column(self, name: Any) -> Any:
        return columns.shown(self.model, name, as_number=name in self.numbers)

    def _shown(self, request: HttpRequest, name: Any) -> bool:
        return name not in self.only_superuser or signed_in.principal(request).is_superuser
