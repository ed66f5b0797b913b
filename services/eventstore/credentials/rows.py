"""Changes of secrets as rows of their tables, one statement for each kind."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import LiteralString

from services.domain.effects import Effects, Mail, MailedCode
from services.domain.sessions import NewSession
from services.domain.values import Json
from services.eventstore.keys.data_keys import DataKey
from services.platform import sql
from services.platform.ids import new_event_id

_ORDER = (
    *("end_sessions", "spend_codes", "drop_block_ends", "erase_users"),
    *("put_codes", "put_block_ends", "start_sessions", "queue_mails"),
)
"""What ends before what begins: one append can end all sessions and begin one."""
SET_PASSWORDS = sql.load("services.eventstore.credentials", "set_passwords")
"""Takes the columns of `Secrets.passwords`."""


@dataclass(slots=True)
class Secrets:
    """The changes of one transaction: rows by the name of their statement; apart, the hashes of new passwords by user.

    Imports set a password in each row, so these go to PostgreSQL as columns, for which it spends less than for JSON.
    """

    passwords: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    rows: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])

    def add(self, user_id: str, effects: Effects, key: DataKey, place: int) -> None:
        """The effects of an append; `key` is the user's, `place` where a session begins that is among them."""
        if effects.end_sessions is not None:
            session_id = None if effects.end_sessions == "all" else effects.end_sessions
            self._row("end_sessions", user_id, session_id=session_id)
        for purpose in effects.spent:
            self._row("spend_codes", user_id, purpose=purpose)
        if effects.erase:
            self._row("erase_users", user_id)
        if effects.password is not None:
            self.passwords.append((user_id, effects.password))
        if (code := effects.code) is not None:
            self._row("put_codes", user_id, **_code(code))
        if effects.block_end == "never":
            self._row("drop_block_ends", user_id)
        elif effects.block_end is not None:
            self._row("put_block_ends", user_id, ends_at=effects.block_end)
        if effects.session is not None:
            self._row("start_sessions", user_id, position=place, **_session(effects.session, key))
        for mail in effects.mails:
            self._row("queue_mails", user_id, **_mail(mail, key))

    def _row(self, statement: str, user_id: str, **columns: object) -> None:
        self.rows.setdefault(statement, []).append({"user_id": user_id, **columns})

    def statements(self) -> Iterator[tuple[LiteralString, list[Json]]]:
        """Statements and their rows, in the order in which to run them; passwords are set after them."""
        return (
            (sql.load("services.eventstore.credentials", name), self.rows[name]) for name in _ORDER if name in self.rows
        )


def _code(code: MailedCode) -> Json:
    return {
        "purpose": code.purpose,
        "digest": code.digest.hex(),
        "long_digest": None if code.long_digest is None else code.long_digest.hex(),
        "expires_at": code.expires_at,
    }


def _session(session: NewSession, key: DataKey) -> Json:
    return {
        "session_id": session.session_id,
        "salt": session.salt.hex(),
        "command_id": session.command_id,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "private": key.encrypt(session.private, session_bound_to(session.session_id)).hex(),
    }


def _mail(mail: Mail, key: DataKey) -> Json:
    mail_id = new_event_id()
    private = key.encrypt(mail.private(), mail_bound_to(str(mail_id))).hex()
    return {"mail_id": mail_id, "private": private, "expires_at": mail.expires_at}


def session_bound_to(session_id: str) -> str:
    """The text that binds the ciphertext of a session to its row."""
    return f"session\0{session_id}"


def mail_bound_to(mail_id: str) -> str:
    """The text that binds the ciphertext of a mail to its row."""
    return f"mail\0{mail_id}"
