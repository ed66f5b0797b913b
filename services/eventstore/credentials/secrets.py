"""What an append changes beside the log, in the same transaction: passwords, codes, sessions, mails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.eventstore.log.event import Json

Purpose = Literal["verify", "reset"]
MailKind = Literal["verify_email", "reset_password", "email_changed", "password_changed", "already_registered"]


@dataclass(frozen=True, slots=True)
class Code:
    """A code or token that was mailed.

    Attributes:
        digest: KeyRing.claim of it; the code itself is nowhere but in the mail.
        long_digest: `long_code_digest` of the long code that the same mail holds; None where it holds none.
    """

    purpose: Purpose
    digest: bytes
    expires_at: datetime
    long_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as it begins. Its place is that of the event that it is stored with.

    Attributes:
        salt: 16 random octets, from which its refresh tokens are derived.
        private: `ip` and `userAgent`, stored under the user's data key.
        command_id: so that a repeat gets the same tokens.
    """

    session_id: str
    salt: bytes
    private: Json
    command_id: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to a user, sealed under his data key until it is sent.

    Attributes:
        to: the address as he wrote it.
        locale: his, as in his profile; None where he has none.
        values: what the template is filled with, `code` and `long_code`, or `token`, among it.
        expires_at: what it says is worth nothing from then on, and it is not sent any more.
    """

    kind: MailKind
    to: str
    locale: str | None
    values: Mapping[str, str]
    expires_at: datetime

    def private(self) -> Json:
        return {"kind": self.kind, "to": self.to, "locale": self.locale, "values": dict(self.values)}


@dataclass(slots=True)
class Changes:
    """What one append changes for its user. What ends is removed before what begins is stored.

    Attributes:
        password: the hash of a new one.
        code: replaces the one of its purpose.
        spent: purposes whose code is used up.
        end_sessions: `all`, or the id of one.
        erase: everything that is kept for the user, his data key first of all.
    """

    password: str | None = None
    code: Code | None = None
    spent: Sequence[Purpose] = ()
    session: NewSession | None = None
    end_sessions: str | None = None
    mails: Sequence[Mail] = ()
    erase: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A live session.

    Attributes:
        place: where it began in the user's own history: what ends the user's sessions at a later place ends it.
        generation: how often its tokens were refreshed; older refresh tokens are used ones.
    """

    session_id: str
    user_id: str
    place: int
    salt: bytes
    generation: int
    command_id: str | None
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    private: Json | None
