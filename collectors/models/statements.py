"""Statements as a source names them."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from collectors.domain.sources import Source
from collectors.models.databases import MonitoredDatabase
from collectors.models.fingerprints import Fingerprint


class TextState(models.TextChoices):
    """Whether a statement's text is here."""

    WANTED = "wanted", pgettext_lazy("text of a statement", "Wanted")
    KNOWN = "known", pgettext_lazy("text of a statement", "Known")
    UNAVAILABLE = "unavailable", pgettext_lazy("text of a statement", "Unavailable")


class Statement(models.Model):
    """What a source counts by itself: its natural key. Statements that read alike share a fingerprint, once its text came."""

    organization_id = models.BigIntegerField()
    database = models.ForeignKey(
        MonitoredDatabase, verbose_name=_("database"), on_delete=models.CASCADE, related_name="statements"
    )
    source = models.CharField(_("source"), max_length=20, choices=[(source.value, source.value) for source in Source])
    key = models.CharField(_("key"), max_length=255)
    digest = models.CharField(_("digest"), max_length=64, blank=True)
    schema_name = models.CharField(_("schema name"), max_length=200, blank=True)
    user_name = models.CharField(_("user name"), max_length=200, blank=True)
    fingerprint = models.ForeignKey(
        Fingerprint, verbose_name=_("fingerprint"), on_delete=models.PROTECT, null=True, related_name="statements"
    )
    text_state = models.CharField(_("text state"), max_length=12, choices=TextState.choices, default=TextState.WANTED)
    first_seen = models.DateTimeField(_("first seen"), db_default=Now())

    class Meta:
        db_table = "statements"
        verbose_name = _("statement")
        verbose_name_plural = _("statements")
        constraints = [models.UniqueConstraint(fields=["database", "source", "key"], name="statements_key_unique")]
        indexes = [
            models.Index(fields=["fingerprint", "first_seen"], name="statements_first_seen"),
            models.Index(
                fields=["database", "source"], condition=models.Q(text_state="wanted"), name="statements_text_wanted"
            ),
            # Few of them are read twice, by the slow log and by digests: `services.queries.counted_once` looks them up here.
            models.Index(
                fields=["database"],
                include=["id"],
                condition=models.Q(source="slow_log"),
                name="statements_of_slow_log",
            ),
        ]

    def __str__(self) -> str:
        return self.key
