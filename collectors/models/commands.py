"""Instructions to collectors."""

from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import commands
from collectors.domain.commands import CommandState
from collectors.models import labels
from collectors.models.collectors import Collector
from collectors.models.users import User


class CommandQuerySet(models.QuerySet["Command"]):
    """Questions asked of commands. What counts as expired is decided by the database's clock."""

    def open(self) -> Self:
        """Return the commands that have not ended."""
        return self.filter(state__in=commands.OPEN)

    def deliverable(self) -> Self:
        """Return the commands that a heartbeat's answer carries, in the order to carry them out."""
        return self.open().filter(expires_at__gt=Now()).order_by("id")

    def overdue(self) -> Self:
        """Return the open commands whose time is over."""
        return self.open().filter(expires_at__lte=Now())


class Command(models.Model):
    """One instruction to one collector. Its state moves by conditional updates only, so that one ending wins."""

    organization_id = models.BigIntegerField()
    collector = models.ForeignKey(
        Collector, verbose_name=_("collector"), on_delete=models.CASCADE, related_name="commands"
    )
    command = models.CharField(_("command"), max_length=20, choices=labels.choices(labels.COMMANDS))
    params = models.JSONField(default=dict, blank=True)
    state = models.CharField(
        _("state"), max_length=10, default=CommandState.PENDING, choices=labels.choices(labels.COMMAND_STATES)
    )
    result = models.JSONField(_("result"), null=True, blank=True)
    requested_by = models.ForeignKey(
        User, verbose_name=_("requested by"), on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"))
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    objects: ClassVar[models.Manager["Command"]] = models.Manager.from_queryset(CommandQuerySet)()

    class Meta:
        db_table = "collector_commands"
        verbose_name = _("command")
        verbose_name_plural = _("commands")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["collector", "-id"], name="collector_commands_recent"),
            models.Index(fields=["organization_id", "-id"], name="collector_commands_of_tenant"),
            # Heartbeats and the sweep look for the few open ones among many ended.
            models.Index(
                fields=["collector"], condition=models.Q(state__in=commands.OPEN), name="collector_commands_open"
            ),
            # Home tells of those that failed lately.
            models.Index(
                fields=["created_at"],
                condition=models.Q(state__in=(commands.CommandState.FAILED.value, commands.CommandState.EXPIRED.value)),
                name="collector_commands_failed",
            ),
            # A statement's page looks for the last one that asked for its plan, and mostly there is none.
            models.Index(
                fields=["collector", "-id"],
                condition=models.Q(command=commands.CommandType.EXPLAIN.value),
                name="collector_commands_explain",
            ),
        ]

    def __str__(self) -> str:
        return f"{labels.label_of(labels.COMMANDS, self.command)} #{self.pk}"

    @property
    def executed(self) -> bool:
        """Whether the agent reported an outcome."""
        return self.state in commands.EXECUTED
