"""Counts that pages draw, so that no page reads every delivery."""

from django.db import models


class DeliveryTally(models.Model):
    """Attempts that ended within `width_s` seconds from `starts_at`, by server, outcome and cause.

    `outcome` is one of `store.tally.Ending`; `server_id` is empty for deliveries given up without an attempt."""

    id = models.BigAutoField(primary_key=True)
    server_id = models.CharField(max_length=26, blank=True)
    width_s = models.IntegerField()
    starts_at = models.DateTimeField()
    outcome = models.CharField(max_length=9)
    cause = models.CharField(max_length=64, blank=True)
    attempts = models.IntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("width_s", "starts_at", "server_id", "outcome", "cause"), name="tally_cell"
            ),
        )


class AttemptTotal(models.Model):
    """Attempts that ended since this installation began, by server, outcome (`store.tally.Ending`), cause and how long
    they took: `bucket` is a place in `store.tally.BOUNDS_S`, `UNTIMED` where that is not known. Rows never go: what is
    counted for monitoring must not fall. `seconds` is the sum of all."""

    id = models.BigAutoField(primary_key=True)
    server_id = models.CharField(max_length=26, blank=True)
    outcome = models.CharField(max_length=9)
    cause = models.CharField(max_length=64, blank=True)
    bucket = models.SmallIntegerField()
    attempts = models.BigIntegerField()
    seconds = models.FloatField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("server_id", "outcome", "cause", "bucket"), name="attempt_total"),
        )


class QueueSample(models.Model):
    """The queue at one instant: deliveries that wait for their first attempt or are under way, those
    that wait for another, and how long the oldest that may be sent has waited."""

    at = models.DateTimeField(primary_key=True)
    queued = models.IntegerField()
    deferred = models.IntegerField()
    oldest_s = models.FloatField()
