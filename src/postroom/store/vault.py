"""Keys and sealed secrets. The only module that sees a key.

A secret is encrypted with AES-256-GCM under a named key; the associated data is the destination it may travel to, so
that a moved or retargeted secret does not decrypt (T4). Keys live in files of mode 0600, outside the database (T6).
"""

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_KEY_BYTES = 32


class VaultError(Exception):
    """A secret or key can't be used; the text says why and what to do, and holds no secret."""


class Vault:
    """The keys in a folder `keys/`: files `NAME.key` of 32 random octets; the newest by name encrypts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ensure_key(self) -> None:
        """Make the folder (0700) and a first key (0600) where there is none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._names():
            self._make(self._folder / "k1.key")

    def _make(self, path: Path) -> None:
        """A key of which nobody ever reads a half; that of another process where it was faster."""
        draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def seal(self, secret: str, destination: str) -> str:
        """`secret` encrypted for `destination`, as "v1.KEY.BASE64"."""
        name = self._newest()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._key(name)).encrypt(nonce, secret.encode(), destination.encode())
        return f"v1.{name}.{base64.b64encode(nonce + sealed).decode()}"

    def unseal(self, sealed: str, destination: str) -> str:
        """The secret, if it was sealed to exactly `destination`; raises VaultError otherwise."""
        try:
            version, name, text = sealed.split(".")
            octets = base64.b64decode(text, validate=True)
        except ValueError:
            raise VaultError("The stored password is damaged. Enter it again.") from None
        if version != "v1":
            raise VaultError("The stored password was written by a newer version of Postroom.")
        try:
            nonce, sealed_octets = octets[:_NONCE_BYTES], octets[_NONCE_BYTES:]
            return AESGCM(self._key(name)).decrypt(nonce, sealed_octets, destination.encode()).decode()
        except (InvalidTag, ValueError):
            raise VaultError("The stored password belongs to other settings. Enter it again.") from None

    def derive(self, purpose: str) -> str:
        """A secret text for another use, such as signing sessions, from the oldest key."""
        names = self._names()
        if not names:
            raise VaultError(self._missing())
        return hmac.new(self._key(names[0]), purpose.encode(), hashlib.sha256).hexdigest()

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.key"))

    def _newest(self) -> str:
        names = self._names()
        if not names:
            raise VaultError(self._missing())
        return names[-1]

    def _key(self, name: str) -> bytes:
        try:
            key = (self._folder / f"{name}.key").read_bytes()
        except FileNotFoundError:
            raise VaultError(self._missing()) from None
        if len(key) != _KEY_BYTES:
            raise VaultError(f"The key file {name}.key is damaged. Restore it from your backup of keys/.")
        return key

    def _missing(self) -> str:
        return (
            "The key of the stored passwords is missing. "
            "Restore the folder keys/ of the data directory from its backup."
        )
