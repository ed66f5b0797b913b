"""One NATS user, made by a template of deploy/nats/permissions."""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import bcrypt
from pydantic import BaseModel, ConfigDict, StringConstraints

KINDS = ("frontend", "browser", "backend", "subscriber", "verifier")
WITH_DURABLES = ("backend", "subscriber")
"""The kinds that may follow the events."""
MOST_DURABLES = 16
"""Of one user."""
_PERMISSIONS = Path(__file__).with_name("permissions")
_ROUNDS = 4
"""The password has 192 random bits: a slower hash protects nothing, and costs nats-server time at each connect."""

NatsUserKind = Literal["frontend", "browser", "backend", "subscriber", "verifier"]
_NAME, _DURABLE = "[A-Za-z0-9][A-Za-z0-9_-]{0,31}", "[A-Za-z0-9_-]{1,64}"
NatsUserName = Annotated[str, StringConstraints(pattern=rf"^{_NAME}\z")]
Durable = Annotated[str, StringConstraints(pattern=rf"^{_DURABLE}\z")]


class NatsUser(BaseModel):
    """A NATS user: the values that fill the template.

    Attributes:
        password: its bcrypt hash.
        durables: names of the durable consumers that are this user's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: NatsUserKind
    name: NatsUserName
    durables: tuple[Durable, ...] = ()
    password: Annotated[str, StringConstraints(pattern=r"^\$2a\$04\$[./A-Za-z0-9]{53}\z")]

    @property
    def user(self) -> str:
        """The name by which it connects, and of its inbox prefix; no built-in user's name has a hyphen."""
        return f"{self.kind}-{self.name}"

    def configuration(self) -> str:
        """The user in the language of nats-server."""
        return self._filled((_PERMISSIONS / f"{self.kind}.conf").read_text("utf-8"))

    def _filled(self, template: str) -> str:
        lines: list[str] = []
        for line in template.splitlines():
            filled = line.replace("<user>", self.user).replace("<password>", self.password)
            names: Sequence[str] = self.durables if "<durable>" in line else ("",)
            lines += [filled.replace("<durable>", name) for name in names]
        return "\n".join(lines)


def new_password() -> tuple[str, str]:
    """A password, which needs no quotes in an address, and its hash."""
    password = f"k{secrets.token_hex(24)}"
    return password, bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS, b"2a")).decode()


def is_name(text: str) -> bool:
    """Whether it can be a user's: a token of NATS's subjects that needs no quotes anywhere."""
    return re.fullmatch(_NAME, text) is not None


def is_durable(text: str) -> bool:
    """Whether it can be a durable's, as the Python client has it."""
    return re.fullmatch(_DURABLE, text) is not None
