"""Tokens with which hosts make themselves collectors, and what came of them."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from collectors.domain import limits
from collectors.domain.sources import Engine
from collectors.models.collectors import Collector
from collectors.models.organizations import Organization
from collectors.models.teams import Team
from collectors.models.users import User


class EnrolmentToken(models.Model):
    """Lets so many hosts register themselves in one team, for a short time. Only its hash is kept."""

    organization = models.ForeignKey(
        Organization, verbose_name=_("organization"), on_delete=models.CASCADE, related_name="enrolment_tokens"
    )
    team = models.ForeignKey(Team, verbose_name=_("team"), on_delete=models.CASCADE, related_name="enrolment_tokens")
    name = models.CharField(_("name"), max_length=limits.MAX_NAME_CHARACTERS)
    type = models.CharField(_("type"), max_length=20, choices=[(engine.value, engine.value) for engine in Engine])
    # Labels that the collectors it makes begin with; theirs alone from then on.
    region = models.CharField(
        _("region"), max_length=limits.MAX_LABEL_CHARACTERS, blank=True, db_default="", default=""
    )
    tags = models.JSONField(_("tags"), default=list, db_default=models.Value([], models.JSONField()))
    token_hash = models.CharField(max_length=64, unique=True)
    max_uses = models.PositiveIntegerField(_("hosts that may use it"))
    uses = models.PositiveIntegerField(_("uses"), default=0)
    created_by = models.ForeignKey(
        User, verbose_name=_("created by"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    class Meta:
        db_table = "enrolment_tokens"
        verbose_name = _("enrolment token")
        verbose_name_plural = _("enrolment tokens")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(uses__lte=models.F("max_uses")), name="enrolment_tokens_uses_are_limited"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Enrolment(models.Model):
    """One host's use of a token. The same request again, after an answer that was lost, is the same use."""

    token = models.ForeignKey(EnrolmentToken, on_delete=models.CASCADE, related_name="enrolments")
    request_id = models.CharField(max_length=32)
    # None once the collector was removed: the same request makes no second one.
    collector = models.OneToOneField(Collector, on_delete=models.SET_NULL, null=True, related_name="enrolment")

    class Meta:
        db_table = "enrolments"
        constraints = [models.UniqueConstraint(fields=["token", "request_id"], name="enrolments_once")]

    def __str__(self) -> str:
        return f"{self.token_id} {self.collector_id}"
