"""Facts about this installation."""

from django.db import models


class InstanceValue(models.Model):
    """A named value of the installation, such as the digest of the set-up code."""

    name = models.CharField(primary_key=True, max_length=64)
    value = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)
