"""What the API takes and gives, apart from messages to send. Types are strict, unknown fields refused (W11)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import ConfigDict, Field, StrictBool, StrictInt, StrictStr

from postroom.flow.messages.submitted import Time

Text = Annotated[StrictStr, Field(max_length=500)]
Count = Annotated[StrictInt | None, Field(ge=1, le=2**53)]


class Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class LimitsIn(Strict):
    """What a server allows; null means no limit, but 4 for connections and 100 for recipients of a message."""

    connections: Count = None
    messages_per_connection: Count = None
    messages_per_minute: Count = None
    messages_per_day: Count = None
    recipients_per_message: Count = None
    size_bytes: Count = None


class SettingsIn(Strict):
    """Settings of an SMTP server."""

    name: Text = ""
    description: Text = ""
    from_name: Text = ""
    from_address: Text = ""
    subject_prefix: Text = ""
    host: Text = ""
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = 587
    security: Literal["none", "starttls", "tls"] = "starttls"
    auth: Literal["none", "password"] = "none"
    username: Text = ""
    password: Annotated[StrictStr | None, Field(max_length=2_000, description="Write-only.")] = None
    test_recipient: Text = ""
    ehlo_name: Text = ""
    ca_pem: Annotated[StrictStr, Field(max_length=200_000, description="Further trusted roots, as PEM.")] = ""
    verify_certificate: StrictBool = True
    allow_plain_auth: StrictBool = False
    from_policy: Literal["server", "client"] = "server"
    uncertain: Literal["retry", "hold"] | None = None
    bounce_address: Annotated[
        StrictStr, Field(max_length=500, description="Return path for bounces; a signed token is added before the @.")
    ] = ""
    limits: LimitsIn = LimitsIn()


class ServerIn(SettingsIn):
    """A server to save without a test, or changes to one: only the fields that are there change."""

    enabled: StrictBool = True
    is_default: StrictBool = False
    use_unverified: Annotated[
        StrictBool, Field(description="Take deliveries although no live test has passed; needs a reason.")
    ] = False
    reason: Text = ""
    position: Annotated[
        StrictInt | None, Field(ge=0, le=10_000, description="Place in the order of servers; 0 is the default's.")
    ] = None


class PauseIn(Strict):
    """For how long a server takes no deliveries."""

    until: Annotated[Time | None, Field(description="When it goes on by itself; null until it is resumed.")] = None
    reason: Text = ""


class TestIn(SettingsIn):
    """Settings to test without saving them."""

    __test__ = False

    based_on: Annotated[
        StrictStr | None,
        Field(max_length=26, description="Id of a server: lends missing fields, and its password for its destination."),
    ] = None
    send: Annotated[StrictBool, Field(description="False checks the connection and sends nothing.")] = True


class SendIn(Strict):
    send: Annotated[StrictBool, Field(description="False checks the connection and sends nothing.")] = True


class DistrustedOut(Schema):
    """What deliveries showed that a server offers and does not bear: `pipelining` is what may still leave in one write
    (`messages`, `envelope`, or `none`), `chunking` whether it gets BDAT."""

    pipelining: Literal["messages", "envelope", "none"]
    chunking: bool
    reason: str
    at: datetime


class ServerOut(Schema):
    id: str
    state: Literal["unverified", "verified", "failing", "paused"]
    verified_at: datetime | None
    name: str
    description: str
    from_name: str
    from_address: str
    subject_prefix: str
    host: str
    port: int
    security: str
    auth: str
    username: str
    has_password: bool
    test_recipient: str
    ehlo_name: str
    ca_pem: str
    verify_certificate: bool
    allow_plain_auth: bool
    from_policy: str
    uncertain: str | None
    bounce_address: str
    limits: dict[str, int | None]
    enabled: bool
    is_default: bool
    position: int
    use_unverified: bool
    reason: str
    failing_since: datetime | None
    paused_at: datetime | None
    paused_until: datetime | None
    pause_reason: str
    checked_at: datetime | None
    certificate_expires_at: datetime | None
    distrusted: DistrustedOut | None
    finding: dict[str, Any] | None
    warnings: list[dict[str, Any]]


class Servers(Schema):
    smtp_servers: list[ServerOut]


class Started(Schema):
    id: str


class StageOut(Schema):
    name: str
    status: str
    ms: float | None = None
    detail: str = ""


class TriedOut(Schema):
    """What a closer look after a failure showed, taken without credentials."""

    place: str
    ok: bool
    text: str


class SessionWarningOut(Schema):
    """What the session of a test did that works and is still unwise; a change of `field` would end it."""

    field: str
    code: str
    text: str


class TestOut(Schema):
    __test__ = False

    id: str
    status: Literal["queued", "running", "passed", "failed", "stopped"]
    stages: list[StageOut]
    finding: dict[str, Any] | None
    log_url: str
    send: bool
    server: str | None
    facts: dict[str, Any]
    also_tried: list[TriedOut]
    warnings: list[SessionWarningOut]
    created_at: datetime
    finished_at: datetime | None


class AttemptOut(Schema):
    number: int
    server: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str
    stage: str
    reply_code: int | None
    enhanced_code: str
    reply: str
    cause: str
    finding: dict[str, Any] | None


class BounceOut(Schema):
    """One report about one delivery. `kind`: failed, delayed, delivered, or complaint."""

    id: str
    at: datetime
    kind: Literal["failed", "delayed", "delivered", "complaint"]
    message: str
    delivery: str
    recipient: str
    status: str
    diagnostic: str
    is_permanent: bool
    cause: str
    finding: dict[str, Any] | None
    way: str


class DeliveryOut(Schema):
    id: str
    message: str
    recipient: str
    state: str
    server: str | None
    due_at: datetime | None
    attempt_count: int
    uncertain_count: int
    reply: str
    cause: str
    finding: dict[str, Any] | None
    updated_at: datetime
    attempts: list[AttemptOut] | None = None
    bounces: list[BounceOut] | None = None


class Deliveries(Schema):
    deliveries: list[DeliveryOut]
    next_before: str | None


class MessageOut(Schema):
    id: str
    message_id: str
    client: str
    server: str | None
    from_: Annotated[str, Field(serialization_alias="from")]
    subject: str
    purpose: str
    priority: int
    size_bytes: int
    attachments: list[dict[str, Any]]
    tags: list[str]
    metadata: dict[str, Any]
    created_at: datetime
    send_at: datetime | None
    expires_at: datetime
    resend_of: str | None
    unsubscribe: str | None
    states: dict[str, int]
    deliveries: list[DeliveryOut] | None = None


class Messages(Schema):
    messages: list[MessageOut]
    next_before: str | None


class Changed(Schema):
    """How many deliveries of the message changed."""

    id: str
    deliveries: int


class ResendIn(Strict):
    recipients: Annotated[
        Literal["all", "failed"], Field(description="Everybody for whom the message has ended, or whom it failed.")
    ] = "all"


class Resent(Schema):
    """The new message."""

    id: str
    resend_of: str
    deliveries: list[dict[str, str]]


class Activity(Schema):
    day: str
    entries: list[dict[str, Any]]
    days: list[str]


class ProblemOut(Schema):
    """A refusal (RFC 9457). `type` is stable and leads to its explanation."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
