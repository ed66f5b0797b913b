"""The file accounts.conf of a nats-server, and the users that `denizen nats-users` keeps in it."""

import fcntl
import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import indent

from pydantic import ValidationError

from services.nats_users.user import NatsUser

_SHIPPED = Path(__file__).with_name("accounts.conf")
_MOST_DURABLES = 200
"""Of all users together. The stream takes 256 consumers; the rest is for operators who look at it."""
_STATE = re.compile(r"^ *# (\{.*\})$", re.MULTILINE)


class ChangeRefused(Exception):
    """For people: why the users stay as they are, and what to do."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """The text of an accounts.conf.

    Attributes:
        users: those that were added, in order.
        shared: whether backend, frontend and subscriber are there, which all services of a kind share.
    """

    text: str
    users: tuple[NatsUser, ...]
    shared: bool

    @classmethod
    def parse(cls, text: str) -> "Accounts":
        """Raises ChangeRefused where it is not a file that this module can write."""
        try:
            users = tuple(NatsUser.model_validate_json(each) for each in _STATE.findall(_region(text, "users")))
        except ValidationError:
            raise ChangeRefused(
                "a user between its lines `denizen nats-users: users` is not as they were written"
            ) from None
        return cls(text, users, bool(_region(text, "shared").strip()))

    @classmethod
    def shipped(cls) -> "Accounts":
        """That of this version, without added users."""
        return replace(cls.parse(_SHIPPED.read_text("utf-8")), users=())

    def find(self, user: str) -> NatsUser | None:
        """An added user."""
        return next((each for each in self.users if each.user == user), None)

    def adding(self, new: NatsUser) -> "Accounts":
        """Raises ChangeRefused where the name or a durable is taken, or no consumers are left."""
        if self.find(new.user) is not None:
            raise ChangeRefused(f"{new.user} is there already: choose another name, or remove it first")
        for other in self.users:
            for durable in set(other.durables) & set(new.durables):
                raise ChangeRefused(f"the durable {durable} is {other.user}'s: each has one user, choose another name")
        if sum(len(each.durables) for each in (*self.users, new)) > _MOST_DURABLES:
            raise ChangeRefused(f"all users together may have {_MOST_DURABLES} durables, and these would be more")
        return replace(self, users=(*self.users, new))

    def removing(self, user: str) -> "Accounts":
        """Raises ChangeRefused where there is no such user."""
        if self.find(user) is None:
            raise ChangeRefused(f"no user {user} was added: `denizen nats-users list` names those that were")
        return replace(self, users=tuple(each for each in self.users if each.user != user))

    def written(self) -> str:
        """The text with these users, by the templates of this version. The rest of it stays as it is."""
        shared = _region(self.text, "shared") if self.shared else ""
        if self.shared and not shared.strip():
            shared = _region(_SHIPPED.read_text("utf-8"), "shared")
        text = _with_region(self.text, "shared", shared)
        if self.shared:
            inboxes = "".join(f'"_INBOX.{each.user}.>"\n' for each in self.users)
            text = _with_region(text, "inboxes", indent(inboxes, 14 * " "))
        users = "".join(f"# {each.model_dump_json()}\n{each.configuration()}\n" for each in self.users)
        return _with_region(text, "users", indent(users, 6 * " "))


@contextmanager
def locked(directory: Path) -> Generator[None]:
    """Change a file of the directory alone: no other process is in here meanwhile. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, text: str) -> None:
    """Whole or not at all, with owner and mode of the file that was there, else for us alone. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with suppress(FileNotFoundError):
            before = path.stat()
            with suppress(PermissionError):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), before.st_mode & 0o777)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def _bounds(text: str, name: str) -> tuple[int, int]:
    """Find the beginning and the end of the region. Raises ChangeRefused."""
    begin, end = (rf"^ *# {sign} denizen nats-users: {name}$" for sign in (">>>", "<<<"))
    match = re.search(rf"{begin}\n(.*?){end}", text, re.MULTILINE | re.DOTALL)
    lines = re.findall(f"{begin}|{end}", text, re.MULTILINE)
    if match is None or len(lines) != 2:
        raise ChangeRefused(
            f"it must have one pair of lines `# >>> denizen nats-users: {name}` and `# <<< …`: "
            "begin with the deploy/nats/accounts.conf of this version"
        )
    return match.span(1)


def _region(text: str, name: str) -> str:
    begin, end = _bounds(text, name)
    return text[begin:end]


def _with_region(text: str, name: str, content: str) -> str:
    begin, end = _bounds(text, name)
    return text[:begin] + content + text[end:]
