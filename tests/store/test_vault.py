"""Secrets are sealed to their destination, under a key outside of the database."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postroom.store.vault import Vault, VaultError

SECRET = "Canary-7f3a-secret"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    vault = Vault(tmp_path / "keys")
    vault.ensure_key()
    return vault


def test_a_sealed_secret_opens_for_its_own_destination_only(vault: Vault) -> None:
    sealed = vault.seal(SECRET, "relay:25")
    assert SECRET not in sealed
    assert vault.unseal(sealed, "relay:25") == SECRET
    with pytest.raises(VaultError, match="Enter it again"):
        vault.unseal(sealed, "capture:25")


def test_equal_secrets_are_sealed_differently(vault: Vault) -> None:
    assert vault.seal(SECRET, "d") != vault.seal(SECRET, "d")


@pytest.mark.usefixtures("vault")
def test_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    (key,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_processes_that_start_together_have_one_whole_key(tmp_path: Path) -> None:
    for number in range(30):
        folder, together = tmp_path / str(number), threading.Barrier(8)

        def started(folder: Path = folder, together: threading.Barrier = together) -> str:
            together.wait(10)
            vault = Vault(folder)
            vault.ensure_key()
            return vault.derive("session")

        with ThreadPoolExecutor(8) as pool:
            derived = {future.result() for future in [pool.submit(started) for _ in range(8)]}
        assert len(derived) == 1
        assert [path.name for path in folder.iterdir()] == ["k1.key"]


def test_without_its_key_a_secret_stays_closed_and_the_remedy_is_named(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal(SECRET, "d")
    (tmp_path / "keys" / "k1.key").unlink()
    with pytest.raises(VaultError, match="Restore the folder keys/"):
        vault.unseal(sealed, "d")


@pytest.mark.parametrize("sealed", ["", "v1.k1", "v1.k1.***", "v2.k1.AAAA", "v1.k1.AAAA", "v1.nokey.AAAA"])
def test_damaged_secrets_are_refused(vault: Vault, sealed: str) -> None:
    with pytest.raises(VaultError):
        vault.unseal(sealed, "d")


def test_a_newer_key_seals_and_the_older_still_opens(vault: Vault, tmp_path: Path) -> None:
    old = vault.seal(SECRET, "d")
    (tmp_path / "keys" / "k2.key").write_bytes(b"2" * 32)
    assert vault.seal(SECRET, "d").startswith("v1.k2.")
    assert vault.unseal(old, "d") == SECRET
