"""The tables. Times are aware UTC. Ids are 26-character time-ordered strings made by `postroom.store.ids`."""

from .access import ApiToken, AuditEntry, User
from .instance import InstanceValue
from .outbox import Attempt, Delivery, IdempotencyKey, Message
from .sandbox import SandboxMessage
from .server import ServerTest, SmtpServer

__all__ = [
    "ApiToken",
    "Attempt",
    "AuditEntry",
    "Delivery",
    "IdempotencyKey",
    "InstanceValue",
    "Message",
    "SandboxMessage",
    "ServerTest",
    "SmtpServer",
    "User",
]
