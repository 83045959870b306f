"""Region and tags as fields of a form, completed with what the organization uses already."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from collectors.domain import labels, limits


class TagsField(forms.CharField):
    """Several tags in one line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("Tags"),
            required=False,
            max_length=(limits.MAX_LABEL_CHARACTERS + 2) * limits.MAX_TAGS,
            widget=UnfoldAdminTextInputWidget(
                attrs={"autocomplete": "off", "data-dbpower-complete": "tag", "data-dbpower-several": "1"}
            ),
            help_text=_("Words to find the collector by, separated by commas, as in: production, billing."),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """Return the tags."""
        try:
            return labels.tags_of_line(super().clean(value) or "")
        except labels.BadLabel as error:
            raise ValidationError(str(error), code="invalid") from error


class RegionField(forms.CharField):
    """Where a collector stands."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("Region"),
            required=False,
            max_length=limits.MAX_LABEL_CHARACTERS,
            widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "data-dbpower-complete": "region"}),
            help_text=_("Where it stands, in your own words, as in: eu-west-1."),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        """Return the region."""
        try:
            return labels.region(super().clean(value) or "")
        except labels.BadLabel as error:
            raise ValidationError(str(error), code="invalid") from error
