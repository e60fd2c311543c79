"""The tables. Times are aware UTC. Ids are 26-character time-ordered strings made by `postroom.store.ids`."""

from .access import ApiToken, AuditEntry, User
from .bounce import Bounce, BounceMailbox
from .dkim import DkimKey
from .domain import DomainCheck
from .instance import InstanceValue
from .outbox import Attempt, Content, Delivery, IdempotencyKey, Message
from .pace import DeliveryRule, LaneState, SendRate
from .people import GroupMember, Recipient, RecipientGroup
from .sandbox import SandboxMessage
from .server import ServerTest, SmtpServer
from .source import ReportLink, ReportSource, SqlConnection, StoredReport
from .subscription import HolidayCalendar, OutcomeNotice, Run, RunRecipient, Subscriber, Subscription
from .suppression import Suppression, UnsubscribeLink
from .tally import AttemptTotal, DeliveryTally, QueueSample
from .template import Template, TemplateText
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
    "GroupMember",
    "HolidayCalendar",
    "IdempotencyKey",
    "InstanceValue",
    "LaneState",
    "Message",
    "OutcomeNotice",
    "QueueSample",
    "Recipient",
    "RecipientGroup",
    "ReportLink",
    "ReportSource",
    "Run",
    "RunRecipient",
    "SandboxMessage",
    "SendRate",
    "ServerTest",
    "SmtpServer",
    "SqlConnection",
    "StoredReport",
    "Subscriber",
    "Subscription",
    "Suppression",
    "Template",
    "TemplateText",
    "UnsubscribeLink",
    "Upload",
    "User",
]
