"""Keys as files, base64 of 32 octets each: keys/kek-<epoch> and keys/claims of the home."""

import base64
import os
import secrets
from contextlib import suppress
from pathlib import Path

_PREFIX = "kek-"


def read(directory: Path) -> tuple[dict[str, str], str]:
    """The texts of the key-encryption keys by epoch, and of the claim key; empty where there are none."""
    named: dict[str, str] = {}
    for path in directory.glob(f"{_PREFIX}*"):
        with suppress(FileNotFoundError):  # a rotation may have ended just now
            named[path.name.removeprefix(_PREFIX)] = path.read_text("ascii", "replace")
    claims = directory / "claims"
    return named, claims.read_text("ascii", "replace") if claims.exists() else ""


def create_missing(home: Path) -> None:
    """First start on an empty home: make the keys. They are the data: if they are lost, what they encrypt is lost."""
    directory = home / "keys"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not any(directory.glob(f"{_PREFIX}*")):
        _write_new(directory / f"{_PREFIX}1")
    if not (directory / "claims").exists():
        _write_new(directory / "claims")


def path_of(directory: Path, epoch: int) -> Path:
    """The path of an epoch's key-encryption key."""
    return directory / f"{_PREFIX}{epoch}"


def create_next(directory: Path, epoch: int) -> None:
    """Make the key of the epoch after this one; with the permissions of this one's file."""
    model = path_of(directory, epoch).stat()
    _write_new(path_of(directory, epoch + 1), (model.st_uid, model.st_gid))


def remove(directory: Path, epoch: int) -> bool:
    """Delete the key of an epoch, for good; False where there was none."""
    path = path_of(directory, epoch)
    if not path.exists():
        return False
    path.unlink()
    _sync(directory)
    return True


def _write_new(path: Path, owner: tuple[int, int] | None = None) -> None:
    """Whole or not at all, also where the machine stops in between."""
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        if owner is not None and os.geteuid() == 0:
            os.fchown(file.fileno(), *owner)
        file.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    # Or a crash could take the file, and with it all that has been wrapped under it by then.
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
