"""A private Postfix: own configuration, queue and ports; takes mail for every domain into a folder of files."""

import contextlib
import grp
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.peers import needed_program, needed_root

from .certificates import Certificates
from .listeners import SIZE_LIMIT_BYTES, Listeners, free_ports
from .programs import running, wait_for_port

DAEMONS = Path("/usr/lib/postfix/sbin")
# Its mail is refused when its content has ended; Postfix keeps the transaction open then.
REFUSED_CONTENT = "unwanted@rig.example"
_QUEUES = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private",
    "public", "saved", "trace",
)

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.rig.example
mydestination =
local_header_rewrite_clients =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks_style = host
smtputf8_enable = yes
message_size_limit = {size_limit}
virtual_mailbox_limit = 0
virtual_mailbox_domains = static:all
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:caught/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
default_transport = error:nothing leaves the rig
relay_transport = error:nothing leaves the rig
smtpd_client_connection_rate_limit = 0
smtpd_client_auth_rate_limit = 0
smtpd_error_sleep_time = 0
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_chain_files = {key}, {chain}
smtpd_tls_loglevel = 1
smtpd_sasl_type = dovecot
smtpd_sasl_path = {auth}
smtpd_sasl_security_options = noanonymous
smtpd_delay_reject = yes
smtpd_end_of_data_restrictions = check_sender_access inline:{{ {refused_content}=REJECT }}
in_flow_delay = 0
"""

_SERVICES = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""

_SECURITY = {
    "none": "-o smtpd_tls_security_level=none",
    "starttls": "-o smtpd_tls_security_level=encrypt -o smtpd_tls_auth_only=yes",
    "tls": "-o smtpd_tls_wrappermode=yes",
}
_AUTH = {
    False: "-o smtpd_sasl_auth_enable=no",
    True: "-o smtpd_sasl_auth_enable=yes -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject",
}


@contextlib.contextmanager
def running_postfix(folder: Path, certificates: Certificates, auth: Path) -> Iterator[Listeners]:
    """Postfix with a port for every SSL mode, with and without AUTH."""
    needed_program("postfix")
    needed_root("Postfix's master switches users")
    ports = free_ports(*((security, with_auth) for security in _SECURITY for with_auth in _AUTH))
    _write_configuration(folder, certificates, auth, ports)
    log = folder / "log"
    log.touch()
    subprocess.run(["/usr/sbin/postconf", "-c", str(folder), "-n"], check=True, stdout=subprocess.DEVNULL)
    with running([str(DAEMONS / "master"), "-c", str(folder), "-d"], log=folder / "output") as process:
        for (security, _), port in ports.items():
            wait_for_port(port, process, log, greeting=b"" if security == "tls" else b"220 ")
        yield Listeners(ports, folder / "mail" / "caught" / "new", log)


# A relay of an intranet as operators set one up: it takes mail of its network and hands all of it on.
_RELAY = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = relay.rig.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtputf8_enable = yes
message_size_limit = 60000000
relayhost = [127.0.0.1]:{next_port}
smtp_tls_security_level = encrypt
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ [127.0.0.1]:{next_port}=app:{token} }}
smtp_sasl_security_options = noanonymous
in_flow_delay = 0
"""


@contextlib.contextmanager
def running_postfix_relay(folder: Path, next_port: int, token: str) -> Iterator[Listeners]:
    """Postfix that hands all mail to `next_port`, signing in with the token over STARTTLS."""
    needed_program("postfix")
    needed_root("Postfix's master switches users")
    ports = free_ports(("none", False))
    _make_folders(folder)
    values = {"folder": folder, "daemons": DAEMONS, "next_port": next_port, "token": token}
    (folder / "main.cf").write_text(_RELAY.format(**values))
    listener = f"127.0.0.1:{ports['none', False]} inet n - n - - smtpd\nsmtp unix - - n - - smtp\n"
    (folder / "master.cf").write_text(listener + _SERVICES.lstrip())
    log = folder / "log"
    log.touch()
    with running([str(DAEMONS / "master"), "-c", str(folder), "-d"], log=folder / "output") as process:
        wait_for_port(ports["none", False], process, log, greeting=b"220 ")
        yield Listeners(ports, folder / "mail", log)


def _make_folders(folder: Path) -> None:
    owner, group = pwd.getpwnam("postfix"), grp.getgrnam("postdrop")
    for name in ("queue", "data", "mail", *(f"queue/{queue}" for queue in _QUEUES)):
        (folder / name).mkdir(mode=0o755)
    for name in ("data", "mail", *(f"queue/{queue}" for queue in _QUEUES if queue != "pid")):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    for name, mode in (("queue/maildrop", 0o1730), ("queue/public", 0o2710)):
        os.chown(folder / name, owner.pw_uid, group.gr_gid)
        (folder / name).chmod(mode)


def _write_configuration(
    folder: Path, certificates: Certificates, auth: Path, ports: dict[tuple[str, bool], int]
) -> None:
    owner = pwd.getpwnam("postfix")
    _make_folders(folder)
    values = {
        "folder": folder, "daemons": DAEMONS, "uid": owner.pw_uid, "gid": owner.pw_gid, "auth": auth,
        "key": certificates.key_file, "chain": certificates.chain_file, "size_limit": SIZE_LIMIT_BYTES,
        "refused_content": REFUSED_CONTENT,
    }
    (folder / "main.cf").write_text(_MAIN.format(**values))
    listeners = "".join(
        f"127.0.0.1:{port} inet n - n - - smtpd {_SECURITY[security]} {_AUTH[with_auth]}\n"
        for (security, with_auth), port in ports.items()
    )
    (folder / "master.cf").write_text(listeners + _SERVICES.lstrip())
