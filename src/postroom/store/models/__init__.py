"""The tables. Times are aware UTC. Ids are 26-character time-ordered strings made by `postroom.store.ids`."""

from .access import ApiToken, AuditEntry, User
from .domain import DomainCheck
from .instance import InstanceValue
from .outbox import Attempt, Content, Delivery, IdempotencyKey, Message
from .pace import DeliveryRule, LaneState, SendRate
from .sandbox import SandboxMessage
from .server import ServerTest, SmtpServer
from .tally import DeliveryTally, QueueSample

__all__ = [
    "ApiToken",
    "Attempt",
    "AuditEntry",
    "Content",
    "Delivery",
    "DeliveryRule",
    "DeliveryTally",
    "DomainCheck",
    "IdempotencyKey",
    "InstanceValue",
    "LaneState",
    "Message",
    "QueueSample",
    "SandboxMessage",
    "SendRate",
    "ServerTest",
    "SmtpServer",
    "User",
]
