"""Every dialog of tests/dialogs, played against a real session over a real socket.

Values a dialog may hold: security, auth, recipients, size, needs, timeout_s, idle_s set the scene. `fails STAGE WHAT`
expects SessionFailed at STAGE, WHAT being a fault, a refusal of ours, tls:ERROR or the reply's code. `results` lists
outcomes; `stage`, `fault STAGE KIND`, `refusal`, `usable`, `octets` and `never` (commands that may not leave) say more.
"""

import asyncio
import time

import pytest
from tests.dialogs.player import Dialog, Playing, dialog, dialog_names, playing
from tests.net.conftest import Certificates
from tests.net.sessions import SECRET_FORMS, Text, envelope, opened

from postroom.net.session import Recorder, Session, SessionFailed
from postroom.smtp.text import printable_octets
from postroom.smtp.trace import CommandSent, OurRefusal, PeerFault, TlsEnded
from postroom.smtp.transcript import transcript
from postroom.terms.server import Auth, Security


@pytest.mark.parametrize("name", dialog_names())
async def test_a_dialog_ends_as_it_says(name: str, certificates: Certificates) -> None:
    played = dialog(name)
    recorder = Recorder()
    began = time.monotonic()
    async with playing(played, context=certificates.server()) as server:
        await _talk(played, server, recorder, certificates)
    assert time.monotonic() - began < float(played.values.get("within_s", "5"))
    assert server.sent_bytes < 8_000_000, "the peer went on sending although nobody could want more"
    _check_trace(played, server, recorder)


async def _talk(played: Dialog, server: Playing, recorder: Recorder, certificates: Certificates) -> None:
    values = played.values
    settings = {
        "security": Security(values.get("security", "none")),
        "auth": Auth(values.get("auth", "none")),
        "ca_pem": certificates.pem,
    }
    timeout_s = float(values.get("timeout_s", "10"))
    if "fails" in values:
        stage, what = values["fails"].split()
        with pytest.raises(SessionFailed) as failed:
            await opened(server.port, recorder, timeout_s, **settings)
        assert failed.value.stage == stage, failed.value
        assert what in _reasons(failed.value, recorder), (what, recorder.trace.events)
        return
    session = await opened(server.port, recorder, timeout_s, **settings)
    await asyncio.sleep(float(values.get("idle_s", "0")))
    await _transaction(played, session)
    await session.close()


async def _transaction(played: Dialog, session: Session) -> None:
    values = played.values
    content = Text(b"x" * 98 + b"\r\n", int(values["size"]) // 100) if "size" in values else Text()
    needs = {f"needs_{what}": True for what in values.get("needs", "").split()}
    results = await session.transact(
        envelope(int(values.get("recipients", "1")), content.size_bytes, **needs), content
    )
    assert [str(result.outcome) for result in results] == values["results"].split()
    assert [result.recipient for result in results] == [f"r{i + 1}@example.com" for i in range(len(results))]
    assert all(result.reply or result.reason for result in results), "a result says why"
    if "stage" in values:
        assert {str(result.stage) for result in results} == {values["stage"]}
    if "usable" in values:
        assert session.is_usable is (values["usable"] == "yes")


def _reasons(failed: SessionFailed, recorder: Recorder) -> set[str]:
    reasons = {str(failed.reply.code)} if failed.reply else set()
    for event in recorder.trace.events:
        match event:
            case PeerFault():
                reasons.add(event.kind)
            case OurRefusal():
                reasons.add(event.reason)
            case TlsEnded():
                reasons.add(f"tls:{event.error}")
    return reasons


def _check_trace(played: Dialog, server: Playing, recorder: Recorder) -> None:
    events, values = recorder.trace.events, played.values
    faults = [event for event in events if isinstance(event, PeerFault)]
    if "fault" in values:
        assert " ".join(f"{fault.stage} {fault.kind}" for fault in faults) == values["fault"]
    if "refusal" in values:
        assert [e.reason for e in events if isinstance(e, OurRefusal)] == [values["refusal"]]
    if "octets" in values:
        assert values["octets"] in printable_octets(faults[0].octets)
    verbs = {line.split(" ")[0].upper() for line in server.lines}
    verbs |= {e.line.split(" ")[0].upper() for e in events if isinstance(e, CommandSent)}
    assert not verbs & set(values.get("never", "").split())
    shown = repr(events) + "\n".join(transcript(events))
    for secret in SECRET_FORMS:
        assert secret.lower() not in shown.lower()
