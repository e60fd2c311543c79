"""A private Dovecot that does nothing but check passwords for Postfix (SASL)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.peers import needed_program

from .programs import running, wait_for_file

MECHANISMS = "plain login cram-md5 scram-sha-1 scram-sha-256"

_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
ssl = no
instance_name = postroom-rig
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  # Without its list of failures a wrong password is answered at once, every time.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""


@contextlib.contextmanager
def running_dovecot(folder: Path, *, username: str, password: str) -> Iterator[Path]:
    """The path of the socket on which Postfix may ask whether `username` has `password`."""
    program = needed_program("dovecot")
    for name in ("run", "state"):
        (folder / name).mkdir()
    users = folder / "users"
    users.write_text(f"{username}:{{PLAIN}}{password}:::::\n")
    users.chmod(0o644)
    config = folder / "dovecot.conf"
    config.write_text(_CONFIG.format(folder=folder, mechanisms=MECHANISMS))
    log = folder / "log"
    with running([program, "-F", "-c", str(config)], log=log) as process:
        wait_for_file(folder / "auth", process, log)
        yield folder / "auth"
