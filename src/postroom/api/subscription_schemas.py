"""What the API takes and gives of subscriptions and their runs."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field, StrictBool, StrictInt, StrictStr

from postroom.flow.messages.submitted import PlainValue, Time
from postroom.flow.subscriptions import subscription_fields as fields
from postroom.flow.subscriptions.subscribers import SUBSCRIBERS
from postroom.policy.column_value import COLUMN_CHARACTERS, VALUE_CHARACTERS

from .schemas import Strict

Id = Annotated[str, Field(max_length=26)]
Address = Annotated[StrictStr, Field(max_length=320)]
Reference = Annotated[StrictStr | None, Field(max_length=100)]
Form = Literal["attach", "embed", "zip", "link"]
CatchUp = Literal["none", "last", "all"]
Outcome = Literal["success", "warning", "error"]
Objects = list[dict[str, Any]]
RunState = Literal["waiting", "fetching", "sending", "success", "warning", "error", "skipped", "cancelled"]


class ScheduleIn(Strict):
    """When it runs: `words` such as "every Monday at 08:00", or `cron` with five fields; exactly one of them."""

    words: Annotated[StrictStr | None, Field(max_length=200)] = None
    cron: Annotated[StrictStr | None, Field(max_length=200)] = None
    time_zone: Annotated[StrictStr, Field(max_length=64, description="That of the site when empty.")] = ""


class SubscriberIn(Strict):
    """Who gets it: exactly one of recipient, group and address. Everybody in `to` gets a message of their own; `bcc` is
    one copy of each run, for an archive."""

    recipient: Annotated[Reference, Field(description="Id or address of a recipient.")] = None
    group: Annotated[Reference, Field(description="Id or name of a group.")] = None
    address: Address | None = None
    place: Literal["to", "bcc"] = "to"


class ColumnValueIn(Strict):
    """Something is sent only if `any` row, or if `no` row, has this in its column. The value is a number, a percentage
    such as 95 %, a date, today, yesterday, or for is, is-not and contains a text. A column that the report does not
    have, or that can't be compared, ends the run in an error."""

    column: Annotated[StrictStr, Field(min_length=1, max_length=COLUMN_CHARACTERS)]
    rows: Literal["any", "no"] = "any"
    operator: Literal["below", "at-most", "above", "at-least", "is", "is-not", "contains"]
    value: Annotated[StrictStr, Field(max_length=VALUE_CHARACTERS)] = ""


class ConditionsIn(Strict):
    """When nothing is sent. Without `least_rows` a report without rows ends in a warning and is not sent; with 0 it is
    sent all the same; with fewer rows than a number from 1 the run is skipped."""

    least_rows: Annotated[StrictInt | None, Field(ge=0, le=10**9)] = None
    only_if_changed: StrictBool = False
    column_value: ColumnValueIn | None = None


class IterationIn(Strict):
    """Who gets which file: the report is split by `column`. `to` names the addresses of each value; `value` names the
    fact about a recipient, such as region, that has to equal it. One of them."""

    column: Annotated[StrictStr, Field(max_length=100)]
    to: Annotated[
        dict[
            Annotated[StrictStr, Field(max_length=200)],
            Annotated[list[Address], Field(max_length=fields.NOTICE_ADDRESSES)],
        ] | None,
        Field(max_length=fields.ITERATION_VALUES),
    ] = None
    value: Annotated[StrictStr | None, Field(max_length=100)] = None


class RetryIn(Strict):
    """What happens when the report fails."""

    times: Annotated[StrictInt, Field(ge=0, le=20)] = fields.RETRY["times"]
    pause_s: Annotated[StrictInt, Field(ge=10, le=86_400)] = fields.RETRY["pause_s"]


class NoticeIn(Strict):
    """Who is told when a run ends like that."""

    outcome: Outcome
    addresses: Annotated[list[Address], Field(max_length=fields.NOTICE_ADDRESSES)]
    with_log: StrictBool = True


class TestModeIn(Strict):
    """Everything goes to `address` only, with the true recipient in the subject, until the time `until`."""

    __test__ = False

    address: Address
    until: Time | None = None


class SubscriptionIn(Strict):
    """A subscription, or changes to one: only the fields that are there change. Needed are name, source and
    subscribers. Without a schedule it runs by hand, and with `on_push` whenever its source is pushed to."""

    name: Annotated[StrictStr, Field(max_length=fields.NAME_CHARACTERS)] = ""
    description: Annotated[StrictStr, Field(max_length=fields.DESCRIPTION_CHARACTERS)] = ""
    owner: Annotated[StrictStr | None, Field(max_length=254, description="E-mail address of a user.")] = None
    source: Annotated[Reference, Field(description="Id or name of a report source.")] = None
    parameters: dict[StrictStr, PlainValue] = Field(
        default_factory=dict, max_length=fields.PARAMETERS, description="Values for the source."
    )
    schedule: ScheduleIn | None = None
    on_push: StrictBool = False
    calendar: Annotated[Reference, Field(description="Id or name of a calendar of days on which nothing runs.")] = None
    catch_up: Annotated[CatchUp, Field(description="What becomes of instants missed while nothing ran.")] = "last"
    catch_up_within_s: Annotated[StrictInt, Field(ge=60, le=31 * 86_400)] = 86_400
    template: Annotated[Reference, Field(description="Name of a template; that for reports when missing.")] = None
    subject: Annotated[StrictStr, Field(max_length=fields.SUBJECT_CHARACTERS)] = ""
    text: Annotated[StrictStr, Field(max_length=fields.TEXT_CHARACTERS)] = ""
    language: Annotated[StrictStr, Field(max_length=8, description="Each recipient's own when empty.")] = ""
    form: Form = "attach"
    link_when_large: Annotated[StrictBool, Field(description="Send a link to what is too large for mail.")] = True
    link_days: Annotated[StrictInt, Field(ge=1, le=365, description="How long such a link works.")] = 14
    conditions: ConditionsIn = ConditionsIn()
    iteration: IterationIn | None = None
    retry: RetryIn = RetryIn()
    server: Annotated[Reference, Field(description="Id or name of an SMTP server; by the rules when missing.")] = None
    priority: Annotated[StrictInt, Field(ge=-10, le=10)] = 0
    subscribers: Annotated[tuple[SubscriberIn, ...], Field(max_length=SUBSCRIBERS)] = ()
    notices: Annotated[tuple[NoticeIn, ...], Field(max_length=3)] = ()
    test_mode: TestModeIn | None = None


class RunIn(Strict):
    to: Annotated[
        Address | None, Field(description="Send once to this address only; needs a token of the scope admin.")
    ] = None


class RunOut(Schema):
    """One run. `planned` recipients were fixed with the report, `queued` of them have their message, `left_out` get
    none; `ends_at` is an estimate of when the last one is queued."""

    id: str
    subscription: str
    nominal_at: datetime | None
    cause: str
    asked_by: str
    only_to: str
    state: RunState
    try_number: int
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    planned: int
    queued: int
    left_out: int
    ends_at: datetime | None
    problem: dict[str, Any] | None
    report: dict[str, Any] | None
    log: Objects | None = None
    states: dict[str, int] | None = None


class Runs(Schema):
    runs: list[RunOut]
    next_before: str | None


class RunRecipientOut(Schema):
    """What became of one recipient of a run. `state` is the delivery's, "" while there is no message."""

    position: int
    address: str
    place: str
    left_out: str
    message: str | None
    state: str


class RunRecipients(Schema):
    recipients: list[RunRecipientOut]
    next_after: int | None


class SubscriptionOut(Schema):
    """As under POST. `list` is the list that recipients leave; `next_at` the next instant of the schedule."""

    id: str
    name: str
    description: str
    owner: str | None
    source: str
    parameters: dict[str, Any]
    schedule: dict[str, Any] | None
    on_push: bool
    calendar: str | None
    catch_up: CatchUp
    catch_up_within_s: int
    template: str | None
    subject: str
    text: str
    language: str
    form: Form
    link_when_large: bool
    link_days: int
    conditions: dict[str, Any]
    iteration: dict[str, Any] | None
    retry: dict[str, Any]
    server: str | None
    priority: int
    subscribers: Objects
    notices: Objects
    test_mode: dict[str, Any] | None
    list: str
    next_at: datetime | None
    paused_at: datetime | None
    paused_by: str
    last_run: RunOut | None
    created_at: datetime
    updated_at: datetime


class Subscriptions(Schema):
    subscriptions: list[SubscriptionOut]
    next_before: str | None


class LeftOut(Schema):
    """Somebody who left the subscription's list."""

    address: str
    since: datetime


class Left(Schema):
    left: list[LeftOut]
