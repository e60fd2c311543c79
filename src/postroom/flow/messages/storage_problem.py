"""What a client hears when a message could not be stored: never a yes, and whether to send it again (D4, D5, D6)."""

import errno

from postroom.store.queue import IdempotencyConflict
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.problem import Problem
from postroom.terms.wording import worded

from .request import key_conflict

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def storage_problem(error: BaseException) -> BaseException:
    """What the client hears of a failed write; anything else stays what it is."""
    if isinstance(error, IdempotencyConflict):
        return key_conflict()
    if (isinstance(error, OSError) and error.errno in _FULL) or (
        isinstance(error, StorageUnknown) and "full" in str(error)
    ):
        detail = worded("The disk of the data directory is full. Free some space; what was accepted still leaves.")
        return Problem(507, "storage-full", "There is no space to store the message", detail, retry_after_s=60)
    if isinstance(error, StorageBusy):
        detail = worded("The database is busy and the message was not stored. Send it again.")
        return Problem(503, "storage-busy", "The message could not be stored now", detail, retry_after_s=5)
    if isinstance(error, StorageUnknown | OSError):
        detail = worded("It is not known whether the message was stored. Send it again with the same Idempotency-Key.")
        return Problem(503, "storage-unknown", "The storage did not confirm the message", detail, retry_after_s=5)
    return error
