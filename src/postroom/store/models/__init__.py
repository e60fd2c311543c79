"""The tables. Times are aware UTC. Ids are 26-character time-ordered strings made by `postroom.store.ids`."""

from .access import ApiToken, AuditEntry, User
from .bounce import Bounce, BounceMailbox
from .dkim import DkimKey
from .domain import DomainCheck
from .instance import InstanceValue
from .outbox import Attempt, Content, Delivery, IdempotencyKey, Message
from .pace import DeliveryRule, LaneState, SendRate
from .sandbox import SandboxMessage
from .server import ServerTest, SmtpServer
from .suppression import Suppression, UnsubscribeLink
from .tally import AttemptTotal, DeliveryTally, QueueSample
from .upload import Upload

__all__ = [
    "ApiToken",
    "Attempt",
    "AttemptTotal",
    "AuditEntry",
    "Bounce",
    "BounceMailbox",
    "Content",
    "Delivery",
    "DeliveryRule",
    "DeliveryTally",
    "DkimKey",
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
    "Suppression",
    "UnsubscribeLink",
    "Upload",
    "User",
]
