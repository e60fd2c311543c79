"""A private OpenSMTPD in a jail; takes mail for every domain into a folder of files.

It has neither PIPELINING nor SMTPUTF8. Debian 12 links it with OpenSSL 3, with which version 6.8 ends every TLS
handshake as a server by the alert internal_error (github.com/OpenSMTPD/OpenSMTPD/issues/1239), and it offers AUTH over
TLS alone: so mail is taken without TLS and AUTH, and its port for STARTTLS shows a server whose TLS is broken.
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from .certificates import Certificates
from .jail import Jail, jail_for
from .listeners import SIZE_LIMIT_BYTES, Listeners, free_ports
from .programs import running, wait_for_port

BROKEN_STARTTLS = ("starttls", False)
_PROGRAMS = ("/usr/sbin/smtpd", "/usr/libexec/opensmtpd/mail.maildir", "/bin/sh")

_CONFIG = """
table everybody {{ "@" = caught }}
pki rig cert "/etc/chain.pem"
pki rig key "/etc/key.pem"
smtp max-message-size {size_limit}
listen on 127.0.0.1 port {plain} hostname mx.rig.example
listen on 127.0.0.1 port {starttls} hostname mx.rig.example tls-require pki rig
action "caught" maildir "/mail/caught" virtual <everybody>
match from any for any action "caught"
"""


@contextlib.contextmanager
def running_opensmtpd(folder: Path, certificates: Certificates) -> Iterator[Listeners]:
    """OpenSMTPD, see above."""
    jail = jail_for(folder, "opensmtpd", *_PROGRAMS, users=("opensmtpd", "opensmtpq", "caught"))
    ports = free_ports(("none", False), BROKEN_STARTTLS)
    _write_configuration(jail, certificates, ports)
    log = folder / "output"
    with running(jail.command("/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"), log=log) as process:
        for port in ports.values():
            wait_for_port(port, process, log, greeting=b"220 ")
        yield Listeners(ports, jail.path("/mail/caught/new"), log)


_RELAY = """
smtp max-message-size {size_limit}
listen on 127.0.0.1 port {port} hostname relay.rig.example
action "onward" relay host "smtp+notls://127.0.0.1:{next_port}"
match from any for any action "onward"
"""


@contextlib.contextmanager
def running_opensmtpd_relay(folder: Path, next_port: int, token: str) -> Iterator[Listeners]:
    """OpenSMTPD that hands all mail to `next_port`. It signs in over TLS alone, which Debian 12's can't: the door has
    to trust its network."""
    del token
    jail = jail_for(folder, "opensmtpd", *_PROGRAMS, users=("opensmtpd", "opensmtpq", "caught"))
    ports = free_ports(("none", False))
    jail.made("/var/spool/smtpd", mode=0o711)
    jail.made("/var/lib/opensmtpd/empty")
    jail.written("/etc/smtpd.conf", _RELAY.format(
        port=ports["none", False], next_port=next_port, size_limit=SIZE_LIMIT_BYTES
    ))
    log = folder / "output"
    with running(jail.command("/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf"), log=log) as process:
        wait_for_port(ports["none", False], process, log, greeting=b"220 ")
        yield Listeners(ports, jail.path("/mail"), log)


def _write_configuration(jail: Jail, certificates: Certificates, ports: dict[tuple[str, bool], int]) -> None:
    jail.made("/var/spool/smtpd", mode=0o711)
    jail.made("/var/lib/opensmtpd/empty")
    jail.made("/mail", owner="caught")
    shutil.copy(certificates.chain_file, jail.path("/etc/chain.pem"))
    shutil.copy(certificates.key_file, jail.path("/etc/key.pem"))
    jail.path("/etc/key.pem").chmod(0o600)
    jail.written("/etc/smtpd.conf", _CONFIG.format(
        plain=ports["none", False], starttls=ports[BROKEN_STARTTLS], size_limit=SIZE_LIMIT_BYTES
    ))
