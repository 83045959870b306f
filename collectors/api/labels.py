"""Labels of collectors as members of a body."""

from typing import Any

from rest_framework import serializers

from collectors.domain import labels
from collectors.services.labels import said


class RegionField(serializers.CharField):
    """A region, as labels are written."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the label. Raises `ValidationError`."""
        return _label(labels.region, super().to_internal_value(data))


class TagsField(serializers.ListField):
    """The tags of a collector: at most 20, each once, in order."""

    child = serializers.CharField()

    def to_internal_value(self, data: Any) -> Any:
        """Return the labels. Raises `ValidationError`."""
        return _label(labels.tags, super().to_internal_value(data))


def _label(rule: Any, value: Any) -> Any:
    try:
        return rule(value)
    except labels.BadLabel as error:
        raise serializers.ValidationError(said(error), code="invalid") from error
