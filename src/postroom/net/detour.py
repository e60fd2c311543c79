"""Walks another way to send, as a session of real mail would, without any credential and without content."""

import asyncio
from dataclasses import replace

from postroom.diagnosis.detour import Detour, DetourSeen
from postroom.policy.egress import may_dial
from postroom.terms.reply import Reply
from postroom.terms.server import Auth, ServerSettings

from .deadlines import Deadlines
from .failure import SessionFailed
from .recorder import Recorder
from .session import open_session

# Who answers at all answers a connection within this.
CONNECT_S = 3.0


async def walked(detour: Detour, settings: ServerSettings, timeout_s: float, default_ehlo_name: str) -> DetourSeen:
    """What the detour shows within `timeout_s`, under the certificate checking of these settings. Never raises for what
    a peer does."""
    recorder = Recorder()
    answer: Reply | None = None
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _answer(detour, settings, timeout_s, recorder, default_ehlo_name)
    except (SessionFailed, TimeoutError, ValueError):
        pass  # how far it came is in the trace
    return DetourSeen(detour, tuple(recorder.trace.events), answer)


async def _answer(
    detour: Detour, settings: ServerSettings, timeout_s: float, recorder: Recorder, default_ehlo_name: str
) -> Reply | None:
    """The reply to the detour's envelope. Raises SessionFailed, ValueError for names that cannot be said."""
    there = settings.changed(
        host=detour.host, port=detour.port, security=detour.security, auth=Auth.NONE, username=""
    )
    deadlines = replace(Deadlines.for_test(timeout_s), connect_s=min(CONNECT_S, timeout_s))
    session = await open_session(
        there, None, recorder, deadlines, default_ehlo_name=default_ehlo_name, allowed=may_dial
    )
    try:
        return await session.answer_to(*detour.envelope) if detour.envelope else None
    finally:
        await session.close()
