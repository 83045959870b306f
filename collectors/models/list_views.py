"""How people like to look at a list."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from collectors.domain import limits
from collectors.models.users import User


class SavedFilter(models.Model):
    """A filter of the list of collectors that a person keeps under a name. `query` is the address's part behind the `?`."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=limits.MAX_FILTER_CHARACTERS, blank=True)
    # What the list shows when it is opened without any filter.
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager["SavedFilter"]] = models.Manager()

    class Meta:
        db_table = "saved_filters"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="saved_filters_name"),
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(is_default=True), name="saved_filters_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ListColumns(models.Model):
    """The columns that a person wants to see in the list of collectors; without a row, those that are shown to everybody."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True, related_name="list_columns")
    columns = models.JSONField(default=list)

    objects: ClassVar[models.Manager["ListColumns"]] = models.Manager()

    class Meta:
        db_table = "list_columns"

    def __str__(self) -> str:
        return ", ".join(self.columns)
