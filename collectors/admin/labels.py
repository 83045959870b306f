"""Region and tags as fields of a form, completed with what the organization uses already."""

from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from collectors.domain import labels, limits
from collectors.services.labels import said

_CHOICES: Final = reverse_lazy("admin:collectors_collector_choices")


class CompletedInput(UnfoldAdminTextInputWidget):
    """A line of text that is completed with what the filters of the list know."""

    class Media:
        js = ("collectors/completions.js",)

    def __init__(self, of: str, *, several: bool = False) -> None:
        attrs: dict[str, Any] = {"autocomplete": "off", "data-dbpower-complete": of, "data-dbpower-choices": _CHOICES}
        super().__init__(attrs={**attrs, **({"data-dbpower-several": "1"} if several else {})})


class TagsField(forms.CharField):
    """Several tags in one line."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "help_text", _("Words to find the collector by, separated by commas, as in: production, billing.")
        )
        super().__init__(
            label=_("Tags"),
            required=False,
            max_length=(limits.MAX_LABEL_CHARACTERS + 2) * limits.MAX_TAGS,
            widget=CompletedInput("tag", several=True),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """Return the tags."""
        try:
            return labels.tags_of_line(super().clean(value) or "")
        except labels.BadLabel as error:
            raise ValidationError(said(error), code="invalid") from error


class RegionField(forms.CharField):
    """Where a collector stands."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", _("Where it stands, in your own words, as in: eu-west-1."))
        super().__init__(
            label=_("Region"),
            required=False,
            max_length=limits.MAX_LABEL_CHARACTERS,
            widget=CompletedInput("region"),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """Return the region."""
        try:
            return labels.region(super().clean(value) or "")
        except labels.BadLabel as error:
            raise ValidationError(said(error), code="invalid") from error
