"""The tables. Times are aware UTC. Ids are 26-character time-ordered strings made by `postroom.store.ids`."""

from .access import ApiToken, AuditEntry, User
from .account_link import AccountLink
from .alert import Alert, AlertNotice, AlertRule, DomainWatch
from .announcement import Announcement, AnnouncementRecipient
from .bounce import Bounce, BounceMailbox
from .dkim import DkimKey
from .domain import DomainCheck
from .event import Event, Webhook, WebhookDelivery
from .instance import InstanceValue
from .outbox import Attempt, Content, Delivery, IdempotencyKey, Message
from .pace import DeliveryRule, LaneState, SendRate
from .people import GroupMember, Recipient, RecipientGroup, RecipientImport
from .sandbox import SandboxMessage
from .server import ServerTest, SmtpServer
from .source import ReportLink, ReportSource, SourceTry, SqlConnection, StoredReport
from .subscription import HolidayCalendar, OutcomeNotice, Run, RunRecipient, Subscriber, Subscription
from .suppression import Suppression, UnsubscribeLink
from .tally import AttemptTotal, DeliveryTally, QueueSample
from .template import Template, TemplateText
from .upload import Upload

__all__ = [
    "AccountLink",
    "Alert",
    "AlertNotice",
    "AlertRule",
    "Announcement",
    "AnnouncementRecipient",
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
    "DomainWatch",
    "Event",
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
    "RecipientImport",
    "ReportLink",
    "ReportSource",
    "Run",
    "RunRecipient",
    "SandboxMessage",
    "SendRate",
    "ServerTest",
    "SmtpServer",
    "SourceTry",
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
    "Webhook",
    "WebhookDelivery",
]
