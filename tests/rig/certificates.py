"""Certificates of the rig: an authority of its own, made afresh for each run."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: the authority to trust, the server's chain, its key."""

    ca_file: Path
    chain_file: Path
    key_file: Path


def certificates_for(folder: Path, *names: str) -> Certificates:
    """A server certificate for `names` (host names or addresses), signed by a new authority."""
    authority = trustme.CA(organization_name="Postroom test rig")
    issued = authority.issue_cert(*names, not_after=datetime.now(UTC) + timedelta(days=90))
    files = Certificates(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
    authority.cert_pem.write_to_path(str(files.ca_file))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(files.chain_file), append=True)
    issued.private_key_pem.write_to_path(str(files.key_file))
    files.key_file.chmod(0o600)
    return files
