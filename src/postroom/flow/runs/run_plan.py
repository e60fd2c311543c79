"""Fix a run: what its messages say, who gets which file and who gets none, in one commit before the first one (D8).

From here on a change of the subscription changes nothing of this run, and a run that is taken up by another engine
writes to the same people, each under the same key.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction

from postroom.store.models import Run, RunRecipient, StoredReport, Subscription
from postroom.store.run_claim import store_fenced
from postroom.terms.address import canonical
from postroom.terms.wording import Wording, worded

from ..instance.instance import site
from ..recipients.left_out import left_out
from ..recipients.recipients import Addressed, addressed
from .run_forms import forms_for
from .run_log import with_line
from .run_parts import parts_of
from .run_test_mode import modes_met

NO_FILE = "no-file"
DEFAULT_TEMPLATE = "report-delivery"
_ROWS_AT_ONCE = 500


def zone_of(subscription: Subscription) -> ZoneInfo:
    """The zone of its schedule, else the site's (blocking)."""
    try:
        return ZoneInfo(str(subscription.schedule["time_zone"]))
    except (KeyError, TypeError, ValueError, ZoneInfoNotFoundError):
        return site().zone


def stands_for(run: Run, now: datetime) -> datetime:
    """The instant whose report a run is to give, in its zone: that of the schedule, however late the run is, else when
    it began, `now` where it begins just now (blocking)."""
    return (run.nominal_at or run.started_at or now).astimezone(zone_of(run.subscription))


def plan_of(
    subscription: Subscription, now: datetime, run: Run | None = None, addresses: Iterable[str] = ()
) -> dict[str, Any]:
    """What the messages of a run that is fixed now are made of, besides recipient and report (blocking). It is a test
    where every message to these addresses would be one."""
    modes = modes_met(subscription, addresses, now)
    mode = None if None in modes else min(filter(None, modes), key=attrgetter("address"))
    can_leave = run is None or not run.only_to
    at = stands_for(run, now) if run is not None else now.astimezone(zone_of(subscription))
    return {
        "subscription": {"name": subscription.name, "description": subscription.description},
        "template": subscription.template.name if subscription.template else DEFAULT_TEMPLATE,
        "subject": subscription.subject,
        "text": subscription.text,
        "language": subscription.language,
        "form": str(subscription.form),
        "link_when_large": subscription.link_when_large,
        "link_days": subscription.link_days,
        "list_name": subscription.list_name if can_leave else "",
        "can_leave": can_leave,
        "priority": subscription.priority,
        "server": subscription.server_id or "",
        "parameters": subscription.parameters,
        "test_mode": {**mode.as_json(), "extent": str(mode.extent)} if mode is not None else {},
        "at": at.isoformat(),
    }


def fix(run: Run, report: StoredReport, now: datetime) -> None:
    """Fix the run with its report: from here on it is *sending* (blocking). Raises SourceFault, TemplateFault, NoForm,
    DamagedBlob, RunLost and DatabaseError."""
    rows = _rows(run, report, now)
    out = sum(1 for row in rows if row.left_out)
    plan = plan_of(run.subscription, now, run, [row.address for row in rows if not row.left_out])
    wanted = ((row.report or report, addressed_again(row)) for row in rows if not row.left_out)
    plan["fixed_at"] = now.isoformat()
    plan["forms"], why = forms_for(plan, wanted, now)
    log = with_line(run.log, now, why) if isinstance(why, Wording) else run.log
    text = worded("Recipients: {count}; left out: {out}.", count=len(rows) - out, out=out)
    with transaction.atomic():
        store_fenced(
            run, state=Run.State.SENDING, report=report, plan=plan, planned=len(rows), left_out=out,
            log=with_line(log, now, text),
        )
        RunRecipient.objects.bulk_create(rows, batch_size=_ROWS_AT_ONCE)


def _rows(run: Run, report: StoredReport, now: datetime) -> list[RunRecipient]:
    if run.only_to:
        home = site()
        alone = Addressed(run.only_to, canonical(run.only_to), "", home.language, home.time_zone)
        return [_row(run, 0, alone, None, "", "")]
    subscription = run.subscription
    everybody = addressed(subscription.subscribers.select_related("recipient", "group"))
    pairs = list(parts_of(subscription.iteration, report, everybody, now))
    out = left_out(sorted({to.address_key for to, _, _ in pairs}), subscription.list_name)
    rows = []
    for position, (to, part, value) in enumerate(pairs):
        why = out[to.address_key].reason if to.address_key in out else NO_FILE if value is None else ""
        rows.append(_row(run, position, to, part, value or "", why))
    return rows


def _row(
    run: Run, position: int, to: Addressed, part: StoredReport | None, value: str, why: str
) -> RunRecipient:
    values = {
        "values": dict(to.values), "groups": list(to.group_names), "time_zone": to.time_zone, "part": value,
        "own": part is not None,
    }
    return RunRecipient(
        run=run, position=position, address=to.address, address_key=to.address_key, name=to.name[:150],
        language=to.language[:8], place=to.place, report=part, values=values, left_out=str(why)[:64],
    )


def addressed_again(row: RunRecipient) -> Addressed:
    """The recipient as it was when the run was fixed."""
    kept: Mapping[str, Any] = row.values
    groups: Iterable[str] = kept.get("groups", ())
    return Addressed(
        row.address, row.address_key, row.name, row.language, str(kept.get("time_zone", "")), kept.get("values", {}),
        row.place, tuple(groups),
    )
