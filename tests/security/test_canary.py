"""A password, a code, a token and personal data leave no trace where they must not be, whatever was done with them."""

import asyncio
import base64
import gzip
import hashlib
import json
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from denizen.sealing import seal
from nats.errors import Error as NatsError
from pydantic import SecretStr

from services.eventstore.keys import data_keys as keys
from services.eventstore.log.postgres import PostgresEventStore
from services.platform.settings import Settings
from tests.support import canary
from tests.support.backend import Backend, Json, Reply, connected
from tests.support.log import until
from tests.support.servers import Denizen

LOG_TABLES = {
    *("events", "log_head", "claims", "data_keys", "commands", "key_checks"),
    *("passwords", "codes", "sessions", "throttles", "mails", "server_keys"),
}
ISSUE_TOKENS = ("Authenticate", "RefreshSession")
LONG_CODE = "[0-9a-f]{32}"


@dataclass
class Story:
    """Asks, and keeps what was said.

    Attributes:
        core: what every password, right or wrong, has in it.
        person: what every personal detail has in it.
        ip: the address that all logins come from.
        passwords: all that were sent.
        codes, long_codes, resets: out of mails.
        tokens: of sessions.
        replies: all that came back, by what was asked.
    """

    backend: Backend
    mail: Path
    core: str = field(default_factory=lambda: f"kQ{secrets.token_hex(10)}")
    person: str = field(default_factory=lambda: f"pZ{secrets.token_hex(10)}")
    ip: str = field(
        default_factory=lambda: f"2001:db8:{secrets.randbelow(60000) + 4096:x}:beef::{secrets.token_hex(2)}"
    )
    passwords: list[str] = field(default_factory=list[str])
    codes: list[str] = field(default_factory=list[str])
    long_codes: list[str] = field(default_factory=list[str])
    resets: list[str] = field(default_factory=list[str])
    tokens: list[str] = field(default_factory=list[str])
    replies: list[tuple[str, Reply]] = field(default_factory=list[tuple[str, Reply]])
    key: Json = field(default_factory=dict[str, Any])

    def password(self, what: str) -> str:
        """A new one."""
        self.passwords.append(f"{self.core} {what}")
        return self.passwords[-1]

    def email(self, what: str) -> str:
        return f"{what}.{self.person}@example.com"

    async def ask(self, name: str, body: Json, kind: str = "command", /, **headers: str) -> Reply:
        """One request, by an id of its own, and again: what was stored under the id is a reply too."""
        headers = {"Nats_Msg_Id": secrets.token_hex(12), **headers}
        for _ in range(2):
            self.note(name, await self.backend.ask(f"users.v1.{kind}.{name}", body, 10, **headers))
        return self.replies[-2][1]

    def note(self, name: str, reply: Reply) -> None:
        self.replies.append((name, reply))
        if name in ISSUE_TOKENS and not reply.code:
            self.tokens += [reply.body["accessToken"], reply.body["refreshToken"]]

    async def raw(self, subject: str, data: bytes) -> None:
        """What may be no JSON."""
        message = await self.backend.client.request(subject, data, timeout=10)
        self.note(subject, Reply(message.data, dict(message.headers or {})))

    async def sealed(self, name: str, body: Json, *fields: str) -> Reply:
        """With some fields sealed, as the client does it."""
        command_id = secrets.token_hex(12)
        public = base64.urlsafe_b64decode(f"{self.key['publicKey']}=")
        closed = {each: seal(body[each], command_id, self.key["keyId"], public) for each in fields}
        return await self.ask(name, body | closed, Nats_Msg_Id=command_id)

    async def mailed(self, address: str, form: str) -> str:
        """What a mail to an address has on a line of its own, and no mail before had."""
        known = self.codes + self.long_codes + self.resets

        async def found() -> str:
            for _, content in canary.files(self.mail / "new"):
                text = content.decode()
                lines = re.findall(rf"^({form})\s*$", text, re.MULTILINE)
                if f"X-Original-To: {address}" in text and lines and lines[0] not in known:
                    return str(lines[0])
            return ""

        return await until(found, "the mail")


@pytest.mark.slow
async def test_secrets_and_personal_data_leave_no_trace(own_denizen: Denizen) -> None:
    async with connected(own_denizen.nats_url) as backend:
        story = Story(backend, Path(own_denizen.addresses["mailDir"]))
        user, address = await _life(story)
        await _failures(story, user, address)
        await _crashes(story, own_denizen, address)
        events = await _published(backend)

    secret = canary.forms(story.core) | {each for password in story.passwords for each in canary.hashes(password)}
    resets = {form for token in story.resets + story.long_codes for form in canary.forms(token)}
    tokens = {form for token in story.tokens for form in canary.forms(token)}
    personal = canary.forms(story.person) | canary.forms(story.ip)
    assert story.resets
    assert len(story.long_codes) == 2
    assert len(story.tokens) >= 10
    assert len({name for name, _ in story.replies}) > 15

    for name, reply in story.replies:
        said = reply.data + json.dumps(reply.headers).encode()
        assert canary.shown(secret | resets, said) == [], name
        assert name in ISSUE_TOKENS or canary.shown(tokens, said) == [], name
        assert not _codes(story, said), name
        if reply.code:
            assert canary.shown(personal, said) == [], f"{name}: {reply.code}"
    assert canary.shown(secret | resets | tokens | personal, events) == [], "events"
    assert not _codes(story, events), "events"

    opened = await _opened(own_denizen)
    assert story.person.encode() in opened, "the log was opened"
    assert canary.shown(secret | resets | tokens, opened) == [], "the log, opened with its keys"
    assert not _codes(story, opened), "the log, opened with its keys"
    tables = canary.tables(own_denizen.database_url)
    assert tables.keys() >= LOG_TABLES
    for table, content in tables.items():
        assert canary.shown(secret | resets | tokens, content) == [], table
        assert not _codes(story, content), table
        if table in LOG_TABLES:
            assert canary.shown(personal, content) == [], table

    assert own_denizen.stop() == 0  # From here on everything is in the files.
    found_in_mails = False
    personal_in_postgres = False
    for path, content in canary.files(own_denizen.home):
        where = path.split("/")[0]
        assert canary.shown(secret | tokens, content) == [], path
        if where == "mail":
            found_in_mails |= canary.shown(resets, content) != []
            continue
        assert canary.shown(resets, content) == [], path
        if where == "postgres":  # Projections hold personal data: that is what they are for.
            personal_in_postgres |= canary.shown(personal, content) != []
        else:
            assert canary.shown(personal, content) == [], path
        if where == "log":
            assert not _codes(story, content), path
    assert found_in_mails, "the search finds a token where there is one"
    assert personal_in_postgres, "the search finds the data of a user who is there"
    errors = own_denizen.errors().encode()
    assert canary.shown(secret | resets | tokens | personal, errors) == [], "stderr"


async def _life(story: Story) -> tuple[str, str]:
    """All that can be done with a password, as it should be; the user's id and address."""
    story.key = (await story.ask("GetSealingKey", {}, "query")).body
    person, address, password = {"firstName": f"First {story.person}"}, story.email("a"), story.password("created")
    created = await story.ask("CreateUser", {"email": address, "password": password, "profile": person})
    user: str = created.body["user"]["id"]
    sealed = {"email": story.email("b"), "password": story.password("sealed"), "emailVerified": True}
    assert not (await story.sealed("CreateUser", sealed, "password")).code
    registered = {"email": story.email("c"), "password": story.password("registered"), "profile": person}
    other = await story.ask("Register", registered)

    assert (await _log_in(story, address, password)).code == "email_not_verified"
    await story.ask("SendVerificationEmail", {"userId": user})
    story.codes.append(await story.mailed(address, r"\d{6}"))
    assert not (await story.ask("VerifyEmail", {"userId": user, "code": story.codes[-1]})).code
    await story.ask("SendVerificationEmail", {"userId": other.body["user"]["id"]})
    story.codes.append(await story.mailed(story.email("c"), r"\d{6}"))  # never used, and so still stored
    story.long_codes.append(await story.mailed(story.email("c"), LONG_CODE))

    first = await _log_in(story, address, password)
    assert not (await story.ask("VerifyToken", {"token": first.body["accessToken"]}, "query")).code
    assert not (await story.ask("RefreshSession", {"refreshToken": first.body["refreshToken"]})).code
    bearer = {"Authorization": f"Bearer {first.body['accessToken']}"}
    changed = {"currentPassword": password, "newPassword": story.password("changed")}
    assert not (await story.ask("ChangePassword", changed, "self", **bearer)).code
    assert not (await _log_in(story, address, changed["newPassword"], sealed=True)).code

    assert not (await story.ask("ResetPassword", {"userId": user, "password": story.password("reset")})).code
    assert not (await story.ask("SendPasswordResetEmail", {"email": address})).code
    story.resets.append(await story.mailed(address, r"[A-Za-z0-9_-]{43}"))
    recovered = {"token": story.resets[-1], "password": story.password("recovered")}
    assert not (await story.ask("ConfirmPasswordReset", recovered)).code
    last = await _log_in(story, address, recovered["password"])
    bearer = {"Authorization": f"Bearer {last.body['accessToken']}"}
    moved = {"email": story.email("d"), "currentPassword": recovered["password"]}
    assert not (await story.ask("ChangeEmail", moved, "self", **bearer)).code
    story.codes.append(await story.mailed(story.email("d"), r"\d{6}"))
    story.long_codes.append(await story.mailed(story.email("d"), LONG_CODE))
    assert not (await story.ask("VerifyEmail", {"userId": user, "code": story.long_codes[-1]})).code
    await story.ask("SendPasswordResetEmail", {"email": story.email("d")})
    story.resets.append(await story.mailed(story.email("d"), r"[A-Za-z0-9_-]{43}"))
    return user, story.email("d")


async def _log_in(story: Story, email: str, password: str, *, sealed: bool = False) -> Reply:
    body = {"email": email, "password": password, "ip": story.ip, "userAgent": f"Browser/{story.person}"}
    return await (story.sealed("Authenticate", body, "password") if sealed else story.ask("Authenticate", body))


async def _failures(story: Story, user: str, address: str) -> None:
    """Everything about it wrong but the secret; and the secret wrong."""
    good = story.password("failed")
    right = {"email": address, "password": good, "ip": story.ip, "userAgent": f"Browser/{story.person}"}
    for wrong in (
        {},
        {"ip": "nowhere"},
        {"userAgent": 7},
        {"email": "nobody"},
        {"email": f"{story.person}@"},
        {"password": [good]},
        {"password": {good: good}},
        {"password": {"value": good}},
        {"password": good * 200},
        {"password": f"sealed:{good}"},
        {"password": f"sealed:{story.key['keyId']}:{story.core * 5}"},
        {"unknown": good},
    ):
        assert (await story.ask("Authenticate", right | wrong)).code, wrong
        assert (await story.ask("Register", {"email": address, "password": good} | wrong)).code, wrong
        assert (await story.ask("ResetPassword", {"userId": user, "password": good, "requireChange": 1} | wrong)).code
    await story.sealed("Authenticate", right | {"userAgent": "\r\n"}, "password")
    await story.sealed("Register", {"email": "nobody", "password": good}, "password")
    await story.ask("CreateUser", {"email": story.email("e"), "passwordHash": good})
    await story.ask("CreateUser", {"email": story.email("e"), "password": f"hashed:{good}"})
    await story.ask("CreateUser", {"email": address, "password": good})
    await story.ask("CreateUser", {"email": f"{story.core}.weak@example.com", "password": f"{story.core}.weak"})
    await story.ask("ChangePassword", {"userId": user, "currentPassword": good, "newPassword": good})
    await story.ask("ConfirmPasswordReset", {"token": story.resets[0], "password": good})
    await story.ask("ConfirmPasswordReset", {"token": good, "password": good})
    for code in (good, story.long_codes[0]):
        await story.ask("VerifyEmail", {"userId": user, "code": code})
    await story.ask("RefreshSession", {"refreshToken": good})
    await story.ask("RefreshSession", {"refreshToken": story.tokens[1]})
    await story.ask("VerifyToken", {"token": good}, "query")
    await story.ask("GetMe", {}, "self", Authorization=f"Bearer {good}")
    await story.ask("GetMe", {}, "self", Authorization=f"Bearer {story.tokens[0]}")
    await story.ask("ResetPassword", {"userId": user, "password": good}, Denizen_Expected_Version="999")
    await story.ask("ResetPassword", {"userId": user, "password": good}, Denizen_Deadline="2020-01-01T00:00:00Z")
    body = json.dumps(right).encode()
    for broken in (body[:-1], body + b"}", body.replace(b'"ip"', b'"password"'), body.replace(b" failed", b"\\u0000")):
        for subject in ("users.v1.command.Authenticate", "users.v1.public.Authenticate"):
            await story.raw(subject, broken)
    # Not to an inbox: refused without an answer.
    await story.backend.client.publish("users.v1.command.Authenticate", body, reply="users.v1.event.forged")
    await story.backend.client.flush()


async def _crashes(story: Story, denizen: Denizen, address: str) -> None:
    """Processes end in the midst of logins and of new users; what they leave is looked through later."""
    for victim in ("accounts", "postgres", "nats", "accounts"):
        logins = [asyncio.create_task(_attempt(story, address, number)) for number in range(40)]
        done, _ = await asyncio.wait(logins, return_when=asyncio.FIRST_COMPLETED)
        assert done
        denizen.kill(victim)
        await asyncio.gather(*logins)
        body = {"email": story.email(secrets.token_hex(4)), "password": story.password(f"after {victim}")}
        story.note("CreateUser", await story.backend.insist("users.v1.command.CreateUser", body, 30))
        assert not story.replies[-1][1].code


async def _attempt(story: Story, address: str, number: int) -> None:
    """A login or a registration; it may get no answer."""
    name, email = ("Register", story.email(secrets.token_hex(4))) if number % 2 else ("Authenticate", address)
    body = {"email": email, "password": story.password(f"crash {number}")}
    with suppress(NatsError, TimeoutError):
        story.note(name, await story.backend.ask(f"users.v1.command.{name}", body, 3))


async def _published(backend: Backend) -> bytes:
    """Every event that subscribers see, with its headers."""
    jetstream = backend.client.jetstream()
    info = await jetstream.stream_info("USERS_EVENTS")
    subscription = await jetstream.pull_subscribe("users.v1.event.>", stream="USERS_EVENTS")
    seen = b""
    for _ in range(info.state.messages):
        (message,) = await subscription.fetch(1, timeout=5)
        seen += message.subject.encode() + message.data + json.dumps(dict(message.headers or {})).encode()
        await message.ack()
    assert b"PasswordChanged" in seen
    assert b"LoginSucceeded" in seen
    return seen


async def _opened(denizen: Denizen) -> bytes:
    """The whole log as who has its keys reads it, and what it keeps of the outcomes of commands."""
    settings = Settings(database_url=SecretStr(denizen.database_url), home=denizen.home)
    store = PostgresEventStore(settings, keys.load(settings), "test")
    try:
        events = await store.read(0, 10_000)
        ids = [str(event.metadata["commandId"]) for event in events]
        outcomes = await store.outcomes(ids)
    finally:
        await store.close()
    parts = [*map(repr, events), *map(repr, outcomes.values())]
    return "\n".join(parts).encode()


def _codes(story: Story, content: bytes) -> list[str]:
    """The codes that are in there. They are short: what is part of a longer word is another number.

    Not for PostgreSQL's own files, where numbers of six digits are by chance.
    """
    standing = set(re.findall(rb"(?<![0-9A-Za-z._:+-])[0-9]{6}(?![0-9A-Za-z._-])", content))
    return [code for code in story.codes if code.encode() in standing or code.encode().hex().encode() in content]


WORD = f"kQ{secrets.token_hex(10)}"


@pytest.mark.parametrize(
    "content",
    [
        f"x{WORD}y".encode(),
        WORD.upper().lower().encode(),
        f"x{WORD}".encode("utf-16"),
        f"x{WORD}".encode("utf-16-be"),
        WORD.encode().hex().encode(),
        *(base64.b64encode(f"{'x' * shift}{WORD} and more".encode()) for shift in range(4)),
        base64.urlsafe_b64encode(b"\xff\xfe" + WORD.encode()),
        base64.b64encode(json.dumps({"password": WORD}).encode()),
    ],
    ids=["plain", "case", "utf-16", "utf-16-be", "hex", *(f"base64-{n}" for n in range(4)), "base64url", "json"],
)
def test_search_finds_every_form_of_a_word(content: bytes) -> None:
    assert canary.shown(canary.forms(WORD), b"\0" * 100 + content + b"\xff" * 100)


def test_search_finds_bare_hashes_and_codes() -> None:
    assert canary.shown(canary.hashes("a password"), b"x" + hashlib.sha256(b"a password").digest())
    story = Story(None, Path(), codes=["123456"])  # type: ignore[arg-type]
    assert _codes(story, b'{"code":"123456"}') == ["123456"]
    assert _codes(story, b"\t123456\t") == ["123456"]
    assert _codes(story, b"\t\\\\x313233343536\t") == ["123456"], "as COPY writes octets"
    assert _codes(story, b"12:00:00.123456+00 0123456 user_123456") == []


def test_search_of_clean_files_finds_nothing() -> None:
    other = json.dumps({"password": f"kQ{secrets.token_hex(10)}"}).encode()
    assert canary.shown(canary.forms(WORD) | canary.hashes(WORD), other + gzip.compress(other)) == []
