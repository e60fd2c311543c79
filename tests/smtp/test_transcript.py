"""The transcript: every event has its line, escaped and bounded."""

from datetime import UTC, datetime

from postroom.smtp import trace
from postroom.smtp.transcript import transcript
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_session_reads_as_a_dialogue() -> None:
    chain = (trace.CertificateSeen(0, "CN=mx.example", "CN=ca", ("mx.example",), WHEN, WHEN),)
    events: list[trace.Event] = [
        trace.NameResolved(0.1, "mx.example", ("192.0.2.1",)),
        trace.AddressTried(0.15, "192.0.2.1", 587, 0.05),
        trace.ReplyReceived(0.173, Reply(220, ("mx.example ESMTP",)), Stage.GREETING),
        trace.CommandSent(0.174, "EHLO host"),
        trace.ReplyReceived(0.2, Reply(250, ("mx.example", "SIZE")), Stage.EHLO),
        trace.TlsEnded(0.302, version="TLS 1.3", cipher="X", chain=chain, verified=True),
        trace.ContentSent(0.4, 1234),
        trace.PeerFault(12.5, Stage.MESSAGE, "timeout", "no reply within 10 s"),
    ]
    assert transcript(events) == [
        "  0.100 --: mx.example is 192.0.2.1",
        "  0.150 --: connected to 192.0.2.1 port 587",
        "  0.173 S: 220 mx.example ESMTP",
        "  0.174 C: EHLO host",
        "  0.200 S: 250-mx.example",
        "  0.200 S: 250 SIZE",
        "  0.302 --: TLS 1.3, X, certificate verified",
        "  0.302 --: certificate 0: CN=mx.example, names mx.example, issued by CN=ca, until 2026-01-02 00:00 UTC",
        "  0.400 C: [content of 1234 bytes]",
        "  0.400 C: .",
        " 12.500 --: timeout: no reply within 10 s",
    ]


def test_o4_no_line_of_a_server_breaks_out_of_its_line() -> None:
    events: list[trace.Event] = [
        trace.ReplyReceived(1.0, Reply(250, ("a\r\n  9.999 C: AUTH\x1b[2J" + "x" * 9000,)), Stage.EHLO),
        trace.PeerFault(2.0, Stage.GREETING, "malformed", "", b"\x15\x03\x01\n"),
        trace.TlsEnded(3.0, error="not-tls", first_bytes=b"220 hi\r\n"),
    ]
    lines = transcript(events)
    assert all(line.isprintable() and len(line) <= 500 for line in lines)
    assert "\\x0d\\x0a" in lines[0]
    assert lines[1] == "  2.000 S: \\x15\\x03\\x01\\x0a"
    assert lines[-1].endswith("220 hi\\x0d\\x0a")
