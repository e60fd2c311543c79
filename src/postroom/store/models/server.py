"""SMTP servers and their tests."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Value
from django.utils import timezone

from postroom.policy.manners import Manners
from postroom.policy.route import Candidate
from postroom.store.ids import new_id
from postroom.terms.outcome import TestStatus
from postroom.terms.server import ServerSettings
from postroom.terms.test_mode import Extent, TestMode


class SmtpServer(models.Model):
    """A configured server. `settings` is `ServerSettings.as_json()`; the password is sealed apart from it.

    Verified is not stored: a server is verified while `verified_fingerprint` equals the fingerprint of its settings.
    `checked_at` is the last nightly check of the connection; `changed_…` tell which change ended a verification.
    `manners` is what deliveries showed that it offers and does not bear (policy/manners), null where it bears all.
    `test_mode` is {} or what `terms.test_mode.TestMode.as_json` makes.
    """

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    settings = models.JSONField()
    sealed_password = models.TextField(blank=True)
    secret_id = models.CharField(max_length=26, blank=True)
    password_stored_at = models.DateTimeField(null=True)
    position = models.IntegerField(default=0)
    is_default = models.BooleanField(default=False)
    is_sandbox = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    use_unverified = models.BooleanField(default=False)
    unverified_reason = models.CharField(max_length=500, blank=True)
    verified_fingerprint = models.CharField(max_length=64, blank=True)
    verified_at = models.DateTimeField(null=True)
    verified_by = models.CharField(max_length=254, blank=True)
    failing_since = models.DateTimeField(null=True)
    failing_finding = models.JSONField(null=True)
    paused_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    paused_by = models.CharField(max_length=254, blank=True, db_default="")
    pause_reason = models.CharField(max_length=500, blank=True, db_default="")
    checked_at = models.DateTimeField(null=True)
    certificate_expires_at = models.DateTimeField(null=True)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.CharField(max_length=254, blank=True, db_default="")
    changed_fields = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    manners = models.JSONField(null=True)
    test_mode = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("position", "created_at")

    @property
    def typed_settings(self) -> ServerSettings:
        return ServerSettings.from_json(self.settings)

    @property
    def is_verified(self) -> bool:
        return bool(self.verified_fingerprint) and self.verified_fingerprint == self.typed_settings.fingerprint(
            self.secret_id
        )

    @property
    def state(self) -> str:
        """One of unverified, verified, failing, paused (design: "States"). One that is not in use does not fail."""
        if self.paused_at is not None:
            return "paused"
        is_verified = self.is_verified
        if self.failing_since is not None and (is_verified or self.use_unverified):
            return "failing"
        return "verified" if is_verified else "unverified"

    @property
    def takes_deliveries(self) -> bool:
        """Whether the engine may deliver through it: enabled, not paused, verified or used unverified on purpose."""
        return self.enabled and self.paused_at is None and (self.is_verified or self.use_unverified)

    @property
    def distrusted(self) -> dict[str, Any] | None:
        """What the server offers and does not bear, as `policy.manners.Manners` tells it, with the time `at` it was
        learned; None where it bears all, as far as is known under its present settings."""
        known = Manners.from_json(self.manners, timezone.now(), self.typed_settings.fingerprint(self.secret_id))
        if known.bears_all or not self.manners:
            return None
        at = datetime.fromisoformat(self.manners["at"])
        return {
            "pipelining": str(known.pipelining), "chunking": known.chunking, "reason": known.reason, "at": at,
            "breach": str(known.breach or ""), "said": known.said,
        }

    @property
    def test_address(self) -> str:
        """Where everything goes that is accepted for it, while its test mode is on; "" otherwise."""
        mode = TestMode.from_json(Extent.SERVER, self.test_mode)
        return mode.address if mode is not None and mode.is_on(timezone.now()) else ""

    @property
    def candidate(self) -> Candidate:
        """The server as far as routing goes."""
        return Candidate(self.pk, self.is_default, self.is_sandbox, self.position, self.takes_deliveries)


class ServerTest(models.Model):
    """A test of settings, saved or not, run by the engine. `settings` as in SmtpServer; `stages` is a list of
    {"name", "status", "ms", "detail"}; `finding` is `Finding.as_json()`; `facts` holds what the server offered;
    `arrived` is what a person said of the test mail."""

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    server = models.ForeignKey(SmtpServer, null=True, on_delete=models.SET_NULL, related_name="tests")
    settings = models.JSONField()
    sealed_password = models.TextField(blank=True)
    secret_id = models.CharField(max_length=26, blank=True)
    send = models.BooleanField(default=True)
    status = models.CharField(
        max_length=8, default=TestStatus.QUEUED, choices=[(s.value, s.value) for s in TestStatus], db_index=True
    )
    stop_requested = models.BooleanField(default=False)
    stages = models.JSONField(default=list)
    finding = models.JSONField(null=True)
    facts = models.JSONField(default=dict)
    transcript = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    created_by = models.CharField(max_length=254)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    arrived = models.BooleanField(null=True)

    @property
    def typed_settings(self) -> ServerSettings:
        return ServerSettings.from_json(self.settings)

    @property
    def is_over(self) -> bool:
        return self.status in (TestStatus.PASSED, TestStatus.FAILED, TestStatus.STOPPED)
