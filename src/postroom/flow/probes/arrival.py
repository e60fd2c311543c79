"""What a person says of a test mail: whether it arrived. Accepted is not yet delivered."""

from django.db import transaction

from postroom.store import audit
from postroom.store.models import ServerTest
from postroom.terms.outcome import TestStatus
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible


def note_arrival(test: ServerTest, arrived: bool, actor: str) -> None:
    """Keep with the test whether its mail arrived. Raises NotPossible for a test that sent none."""
    with transaction.atomic():
        row = ServerTest.objects.get(pk=test.pk)
        if row.status != TestStatus.PASSED or not row.send:
            raise NotPossible(worded("This test sent no mail, so there is none that could arrive."))
        row.arrived = arrived
        row.save(update_fields=["arrived"])
        audit.record(actor, "test.arrived" if arrived else "test.not-arrived", row.typed_settings.name)
