"""A passed stage shows what it came to: the greeting, how many extensions, which certificate, which mechanism."""

from datetime import UTC, datetime

from postroom.flow.probes.stage_detail import passed_details
from postroom.smtp.trace import CertificateSeen, CommandSent, Event, ExtensionsSeen, ReplyReceived, TlsEnded
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

LEAF = CertificateSeen(
    position=0, subject="CN=smtp.company.example", issuer="CN=CA", names=("smtp.company.example",),
    not_before=datetime(2026, 1, 1, tzinfo=UTC), not_after=datetime(2026, 8, 18, tzinfo=UTC),
)


def test_each_stage_tells_what_it_came_to() -> None:
    events: list[Event] = [
        ReplyReceived(0.1, Reply(220, ("smtp.company.example ESMTP",)), Stage.GREETING),
        ExtensionsSeen(0.2, {"STARTTLS": ()}, over_tls=False),
        TlsEnded(0.3, "TLS 1.3", "TLS_AES_256_GCM_SHA384", (LEAF,), verified=True),
        ExtensionsSeen(0.4, {"AUTH": ("PLAIN",), "SIZE": ("1000",)}, over_tls=True, mechanisms=("PLAIN",)),
        CommandSent(0.5, "AUTH PLAIN [user name hidden] [password hidden]"),
        ReplyReceived(0.6, Reply(235, ("2.7.0 ok",)), Stage.AUTHENTICATE),
        ReplyReceived(0.7, Reply(250, ("2.1.0 Ok",)), Stage.SENDER),
        ReplyReceived(0.8, Reply(250, ("Accepted",)), Stage.RECIPIENT),
    ]
    assert passed_details(events) == {
        Stage.GREETING: "220 smtp.company.example ESMTP",
        Stage.EHLO: "2 extensions offered",
        Stage.CERTIFICATE: "smtp.company.example, valid until 18 Aug 2026",
        Stage.AUTHENTICATE: "PLAIN",
        Stage.SENDER: "250 2.1.0",
        Stage.RECIPIENT: "250 Accepted",
    }


def test_an_unchecked_certificate_says_so() -> None:
    details = passed_details([TlsEnded(0.3, "TLS 1.3", "x", (LEAF,), verified=False)])
    assert details == {Stage.CERTIFICATE: "smtp.company.example, not checked"}


def test_the_farewell_does_not_stand_for_the_accepted_message() -> None:
    details = passed_details([
        ReplyReceived(0.8, Reply(250, ("2.0.0 Ok: queued as 1",)), Stage.MESSAGE),
        ReplyReceived(0.9, Reply(221, ("2.0.0 Bye",)), Stage.MESSAGE),
    ])
    assert details == {Stage.MESSAGE: "250 2.0.0"}
