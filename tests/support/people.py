"""People who register and sign in, through a back end or a front end; and the mails that reach them."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import Any

import nats
import psycopg
from denizen.operations import OPERATIONS
from jsonschema import Draft7Validator

from services.endpoint.contract import body_schemas
from tests.support import smtp
from tests.support.backend import Backend, Json, Reply, email
from tests.support.servers import Denizen

PASSWORD = "correct horse battery"
_BY_SUBJECT = {operation.subject: operation for operation in OPERATIONS.values()}


@cache
def _schema(name: str) -> Draft7Validator:
    """The schema of a reply in the contract document, which says more than its model: what is always sent."""
    schemas = body_schemas.schemas()
    return Draft7Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}})


class Talk(Backend):
    """A connection whose every answer is looked at: it has the form and the codes of the contract."""

    async def ask(self, subject: str, body: Json, seconds: float = 20, /, **headers: str) -> Reply:
        reply = await super().ask(subject, body, seconds, **headers)
        operation = _BY_SUBJECT[subject]
        if reply.code:
            assert reply.code in operation.codes, (subject, reply.data)
            assert reply.headers["Nats-Service-Error-Code"].isdigit()
        else:
            operation.reply.model_validate(reply.body)
            _schema(operation.reply.__name__).validate(reply.body)
        return reply

    async def public(self, name: str, body: Json, **headers: str) -> Reply:
        return await self.ask(f"users.v1.public.{name}", body, **headers)

    async def self(self, token: str, name: str, body: Json | None = None, **headers: str) -> Reply:
        """In the name of the user of an access token."""
        return await self.ask(f"users.v1.self.{name}", body or {}, Authorization=f"Bearer {token}", **headers)

    async def done(self, name: str, body: Json, **headers: str) -> Json:
        """The reply of a command that is not refused."""
        reply = await self.command(name, body, **headers)
        assert not reply.code, reply.data
        return reply.body

    async def member(self, **body: Any) -> Json:
        """A new user who can sign in by PASSWORD."""
        return await self.create(**{"password": PASSWORD, "emailVerified": True, **body})

    async def sign_in(self, user: Json, password: str = PASSWORD, **more: str) -> Json:
        """A new session of the person and its tokens."""
        return await self.done("Authenticate", {"email": user["email"], "password": password, **more})

    async def refused(self, user: Json, password: str = PASSWORD, **more: str) -> str:
        """The code by which a sign-in is refused; empty where it succeeds."""
        return (await self.command("Authenticate", {"email": user["email"], "password": password, **more})).code

    async def now(self) -> str:
        """A position behind all that was done before."""
        return str((await self.done("CreateUser", {"email": email()}))["position"])

    async def fresh(self, user: Json) -> Json:
        """The user as a query shows them, with all that was done before."""
        return (await self.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position=await self.now())).body

    async def history(self, user: Json, position: int | str = 0, **body: Any) -> Json:
        """The person's login history, at least up to a position."""
        asked = {"userId": user["id"], **body}
        return (await self.query("GetLoginHistory", asked, Denizen_Min_Position=str(position))).body

    async def alive(self, session: Json) -> bool:
        """Whether its access token is good; every checker says the same."""
        verified = await self.query("VerifyToken", {"token": session["accessToken"]})
        mine = await self.self(session["accessToken"], "ListSessions")
        me = await self.self(session["accessToken"], "GetMe")
        assert {verified.code, mine.code, me.code} in ({""}, {"token_invalid"})
        return not verified.code


def sql(denizen: Denizen, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """As the owner of the database."""
    with psycopg.connect(denizen.database_url, options="-c search_path=denizen") as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


class Postbox:
    """The mails that `denizen up` has delivered."""

    def __init__(self, denizen: Denizen) -> None:
        self._new = Path(denizen.addresses["mailDir"]) / "new"
        self._read: set[str] = set()
        self._mails: list[EmailMessage] = []

    async def mails(self, to: str, subject: str, number: int = 1) -> list[EmailMessage]:
        """The mails to an address with a word in the subject, oldest first, as soon as there are so many."""
        async with asyncio.timeout(30):
            while len(found := self._found(to, subject)) < number:
                await asyncio.sleep(0.02)
        return found

    def _found(self, to: str, subject: str) -> list[EmailMessage]:
        for path in sorted(self._new.iterdir()):
            if path.name not in self._read:
                self._read.add(path.name)
                self._mails.append(message_from_bytes(path.read_bytes(), policy=policy.default))
        return [mail for mail in self._mails if mail["X-Original-To"] == to and subject in mail["Subject"]]

    async def code(self, to: str, number: int = 1) -> str:
        """The code of the mail of that number to an address."""
        return smtp.code_in((await self.mails(to, "verification code", number))[number - 1])

    async def long_code(self, to: str, number: int = 1) -> str:
        """The long code of the same mail."""
        mail = (await self.mails(to, "verification code", number))[number - 1]
        (code,) = re.findall(r"^[0-9a-f]{32}$", smtp.part(mail, "plain"), re.MULTILINE)
        return str(code)

    async def token(self, to: str, number: int = 1) -> str:
        """Likewise of a mail by which a password can be reset."""
        mail = (await self.mails(to, "new password", number))[number - 1]
        (token,) = re.findall(r"^[A-Za-z0-9_-]{43}$", smtp.part(mail, "plain"), re.MULTILINE)
        return str(token)


@asynccontextmanager
async def talking(denizen: Denizen, user: str | None = None) -> AsyncGenerator[Talk]:
    """A connection as a back end, or as another user of NATS."""
    credentials: dict[str, Any] = {}
    if user is not None:
        credentials = {"user": user, "password": denizen.nats_password(user)}
    prefix = f"_INBOX.{user or 'backend'}".encode()
    client = await nats.connect(denizen.nats_url, inbox_prefix=prefix, **credentials)
    try:
        yield Talk(client)
    finally:
        await client.close()
