"""Keys that messages are signed with."""

from django.db import models

from postroom.store.ids import new_id


class DkimKey(models.Model):
    """A DKIM key of a domain (RFC 6376), found in the DNS at `selector._domainkey.domain`. The private key is sealed to
    that name; `public_key` is what the DNS record has after p=.

    `new` signs nothing yet, `signing` does, `retired` no longer does: mail it signed may still be on its way."""

    class State(models.TextChoices):
        NEW = "new"
        SIGNING = "signing"
        RETIRED = "retired"

    class Algorithm(models.TextChoices):
        RSA = "rsa"
        ED25519 = "ed25519"

    id = models.CharField(primary_key=True, max_length=26, default=new_id, editable=False)
    domain = models.CharField(max_length=253)
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=8, choices=Algorithm.choices)
    public_key = models.TextField()
    sealed_key = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.NEW)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=254)
    published_at = models.DateTimeField(null=True)
    state_since = models.DateTimeField()

    class Meta:
        ordering = ("domain", "created_at")
        constraints = (models.UniqueConstraint(fields=("domain", "selector"), name="dkim_selector"),)

    @property
    def record_name(self) -> str:
        """Where the DNS record stands."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record_value(self) -> str:
        """What the DNS record says (RFC 6376 section 3.6.1, RFC 8463 section 4)."""
        return f"v=DKIM1; k={self.algorithm}; p={self.public_key}"

    @property
    def destination(self) -> str:
        """What the private key is sealed to."""
        return f"dkim {self.algorithm} {self.record_name}"
