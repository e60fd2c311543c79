"""A private Exim in a jail; takes mail for every domain into a folder of files. It offers CHUNKING and insists on
synchronization: what is sent before it may be sent ends the session."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from .certificates import Certificates
from .jail import Jail, jail_for
from .listeners import SIZE_LIMIT_BYTES, Listeners, free_ports, ports_of
from .programs import running, wait_for_port

OWNER = "Debian-exim"
_SECURITIES = ("none", "starttls", "tls")

_CONFIG = """
primary_hostname = mx.rig.example
spool_directory = /spool
log_file_path = /log/%slog
daemon_smtp_ports = {first_port}
local_interfaces = <; {interfaces}
tls_on_connect_ports = {tls_ports}
tls_advertise_hosts = ${{if match{{:{starttls_ports}:}}{{:$received_port:}}{{*}}}}
tls_certificate = /etc/chain.pem
tls_privatekey = /etc/key.pem
auth_advertise_hosts = ${{if and{{{{match{{:{auth_ports}:}}{{:$received_port:}}}}\
 {{or{{{{!match{{:{starttls_ports}:}}{{:$received_port:}}}}{{def:tls_in_cipher}}}}}}}}{{*}}}}
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = {size_limit}
acl_smtp_mail = check
acl_smtp_rcpt = check
acl_smtp_data = take
host_lookup =
rfc1413_query_timeout = 0s
never_users =
recipients_max = 5000
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
exim_user = {owner}
exim_group = {owner}

begin acl

check:
  deny condition = ${{if match{{:{starttls_ports}:}}{{:$received_port:}}}}
       !encrypted = *
       message = TLS is needed here
  deny condition = ${{if match{{:{auth_ports}:}}{{:$received_port:}}}}
       !authenticated = *
       message = sign in first
  accept

take:
  accept

begin routers

caught:
  driver = accept
  transport = caught

begin transports

caught:
  driver = appendfile
  maildir_format
  create_directory
  directory = /mail/caught
  user = {owner}
  return_path_add
  delivery_date_add = false
  envelope_to_add

begin authenticators

plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{username}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2

login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{{username}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1

cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{username}}}{{{password}}}fail}}
  server_set_id = $auth1
"""


@contextlib.contextmanager
def running_exim(folder: Path, certificates: Certificates, username: str, password: str) -> Iterator[Listeners]:
    """Exim with a port for every SSL mode, with and without AUTH."""
    jail = jail_for(folder, "exim4-daemon-light", "/usr/sbin/exim4", users=(OWNER,))
    ports = free_ports(*((security, auth) for security in _SECURITIES for auth in (False, True)))
    _write_configuration(jail, certificates, ports, username, password)
    log = folder / "output"
    with running(jail.command("/usr/sbin/exim4", "-C", "/etc/exim.conf", "-bdf", "-q1m"), log=log) as process:
        for (security, _), port in ports.items():
            wait_for_port(port, process, log, greeting=b"" if security == "tls" else b"220 ")
        yield Listeners(ports, jail.path("/mail/caught/new"), jail.path("/log/mainlog"))


_RELAY = """
primary_hostname = relay.rig.example
spool_directory = /spool
log_file_path = /log/%slog
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = accept
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
smtputf8_advertise_hosts = *
message_size_limit = {size_limit}
recipients_max = 5000
never_users =
exim_user = {owner}
exim_group = {owner}

begin routers

onward:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = onward

begin transports

onward:
  driver = smtp
  port = {next_port}
  hosts_require_auth = 127.0.0.1
  tls_tempfail_tryclear = false

begin authenticators

plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^app^{token}
"""


@contextlib.contextmanager
def running_exim_relay(folder: Path, next_port: int, token: str) -> Iterator[Listeners]:
    """Exim that hands all mail to `next_port`, signing in with the token; it sends content in chunks."""
    jail = jail_for(folder, "exim4-daemon-light", "/usr/sbin/exim4", users=(OWNER,))
    ports = free_ports(("none", False))
    for name in ("/spool", "/log", "/mail"):
        jail.made(name, owner=OWNER)
    jail.written("/etc/exim.conf", _RELAY.format(
        port=ports["none", False], next_port=next_port, token=token, owner=OWNER, size_limit=SIZE_LIMIT_BYTES
    ))
    log = folder / "output"
    with running(jail.command("/usr/sbin/exim4", "-C", "/etc/exim.conf", "-bdf", "-q1m"), log=log) as process:
        wait_for_port(ports["none", False], process, log, greeting=b"220 ")
        yield Listeners(ports, jail.path("/mail"), jail.path("/log/mainlog"))


def _write_configuration(
    jail: Jail, certificates: Certificates, ports: dict[tuple[str, bool], int], username: str, password: str
) -> None:
    for name in ("/spool", "/log", "/mail"):
        jail.made(name, owner=OWNER)
    for source, target in ((certificates.chain_file, "/etc/chain.pem"), (certificates.key_file, "/etc/key.pem")):
        shutil.copy(source, jail.path(target))
        shutil.chown(jail.path(target), jail.users[OWNER], jail.users[OWNER])
        jail.path(target).chmod(0o600)
    tls = ports_of(ports, (("tls", False), ("tls", True)))
    starttls = ports_of(ports, (("starttls", False), ("starttls", True)))
    auth = ports_of(ports, ((security, True) for security in _SECURITIES))
    jail.written("/etc/exim.conf", _CONFIG.format(
        first_port=next(iter(ports.values())),
        interfaces=" ; ".join(f"[127.0.0.1]:{port}" for port in ports.values()),
        tls_ports=" : ".join(map(str, tls)), starttls_ports=":".join(map(str, starttls)),
        auth_ports=":".join(map(str, auth)), size_limit=SIZE_LIMIT_BYTES, owner=OWNER, username=username,
        password=password,
    ))
