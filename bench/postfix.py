"""A private Postfix as a relay: everything goes on to the sink.

Its settings are the best found: processes live on, no delay on the way in, twenty deliveries at once, connections kept,
a large active queue.
"""

import contextlib
import grp
import os
import pwd
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers import needed_program, needed_root
from tests.rig.programs import free_port, running, wait_for_port

DAEMONS = Path("/usr/lib/postfix/sbin")
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
myhostname = relay.bench.example
mydestination =
local_transport = error:nothing is local
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink}
message_size_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = none
smtp_tls_security_level = none
max_use = 100000
in_flow_delay = 0
default_process_limit = 200
initial_destination_concurrency = 20
default_destination_concurrency_limit = 20
smtp_connection_cache_destinations = [127.0.0.1]:{sink}, 127.0.0.1
smtp_connection_cache_on_demand = yes
smtp_connection_reuse_count_limit = 0
qmgr_message_active_limit = 50000
qmgr_message_recipient_limit = 50000
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
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """Where it listens, and the process that all its others descend from."""

    port: int
    pid: int


@contextlib.contextmanager
def running_postfix(parent: Path, sink_port: int) -> Iterator[Postfix]:
    """Postfix while the block runs; what it accepts goes on to the sink."""
    needed_program("postfix")
    needed_root("Postfix's master switches users")
    folder, port = parent / "postfix", free_port()
    folder.mkdir(mode=0o755)
    _make_folders(folder)
    (folder / "main.cf").write_text(_MAIN.format(folder=folder, daemons=DAEMONS, sink=sink_port))
    (folder / "master.cf").write_text(f"127.0.0.1:{port} inet n - n - - smtpd\n" + _SERVICES.lstrip())
    log = folder / "log"
    log.touch()
    with running([str(DAEMONS / "master"), "-c", str(folder), "-d"], log=folder / "output") as process:
        wait_for_port(port, process, log, greeting=b"220 ")
        yield Postfix(port, process.pid)


def _make_folders(folder: Path) -> None:
    owner, group = pwd.getpwnam("postfix"), grp.getgrnam("postdrop")
    for name in ("queue", "data", *(f"queue/{queue}" for queue in _QUEUES)):
        (folder / name).mkdir(mode=0o755)
    for name in ("data", *(f"queue/{queue}" for queue in _QUEUES if queue != "pid")):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    for name, mode in (("queue/maildrop", 0o1730), ("queue/public", 0o2710)):
        os.chown(folder / name, owner.pw_uid, group.gr_gid)
        (folder / name).chmod(mode)
