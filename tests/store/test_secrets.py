"""Passwords, codes, sessions and mails: stored with their events or not at all, and in the order of the log."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from services.accounts.pending import Answer, PendingCommand
from services.domain.claim_kinds import Claim
from services.domain.commands import LogIn
from services.domain.decision import Facts
from services.domain.effects import Effects, Mail, MailedCode
from services.domain.sessions import NewSession, place
from services.domain.streams import logins_of
from services.eventstore.credentials.session import StoredSession
from services.eventstore.credentials.store import Credential, SecretStore, long_code_digest
from services.eventstore.log.store import (
    Append,
    Appended,
    ClaimTaken,
    EventStore,
    Outcome,
    Repeated,
    Result,
    StaleVersion,
)
from tests.store.conftest import OpenStore
from tests.support.accounts import Accounts, ask
from tests.support.log import append, ring, settings, streams, until, user_id
from tests.support.tokens import session_id

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
OpenSecrets = Callable[..., SecretStore]
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=1)
RIGHT, WRONG = b"right" * 6, b"wrong" * 6
MAIL = Mail("password_changed", "sam@example.com", "en", {}, LATER)
A, B = user_id(), user_id()


@pytest_asyncio.fixture
async def open_secrets(database_url: str) -> AsyncGenerator[OpenSecrets]:
    opened: list[SecretStore] = []

    def open_one(name: str = "a") -> SecretStore:
        opened.append(SecretStore(settings(database_url), ring(), name))
        return opened[-1]

    yield open_one
    for each in opened:
        await each.close()


@pytest.fixture
def secrets(open_secrets: OpenSecrets) -> SecretStore:
    return open_secrets()


def change(user: str, expected: int, effects: Effects, **more: Any) -> Append:
    """An event of the user, and effects with it."""
    made = append(user, expected, **more)
    made.effects = effects
    return made


def session(**more: Any) -> NewSession:
    values: dict[str, Any] = {"command_id": None, "created_at": NOW, "expires_at": LATER, **more}
    return NewSession(session_id(), b"s" * 16, {"ip": "192.0.2.7", "userAgent": "Firefox"}, **values)


def login(user: str, begun: NewSession, *, requires: int = 1, logins: int = 0, command_id: str | None = None) -> Append:
    """A login that was decided on a version of the user."""
    made = append(logins_of(user), logins, command_id=command_id)
    made.requires = requires
    made.effects = Effects(session=begun)
    return made


async def stored(store: EventStore, *batch: Append) -> int:
    """Store all of a batch; the position of the last."""
    results = await store.append(batch)
    position = 0
    for result in results:
        assert isinstance(result, Appended), results
        position = result.position
    return position


async def rows(owner: Connection, table: str) -> list[dict[str, Any]]:
    query = sql.SQL("select to_jsonb(t) from {} t").format(sql.Identifier(table))
    return [row for (row,) in await (await owner.execute(query)).fetchall()]


async def ids(secrets: SecretStore, user: str) -> set[str]:
    return {each.session_id for each in await secrets.sessions(user)}


# --- with the event or not at all ---------------------------------------------------------------------------------

EVERYTHING = Effects(
    password="$new", code=MailedCode("verify", RIGHT, LATER), session=session(), mails=[MAIL], end_sessions="all"
)
EMAIL: Claim = ("email", "taken@example.com")


@pytest.mark.parametrize(
    ("failing", "result"),
    [
        ({"expected": 3}, StaleVersion()),
        ({"expected": 1, "take": [EMAIL]}, ClaimTaken("email")),
        ({"expected": 1, "command_id": "c1"}, Repeated()),
    ],
)
async def test_failed_append_changes_no_secret(
    open_store: OpenStore, owner: Connection, secrets: SecretStore, failing: dict[str, Any], result: Result
) -> None:
    store = open_store()
    kept = session()
    await stored(store, change(A, 0, Effects(password="$old")), append(B, command_id="c1", take=[EMAIL]))
    await stored(store, login(A, kept))
    good = change(B, 1, Effects(password="$b"))
    assert await store.append([change(A, effects=EVERYTHING, **failing), good]) == [result, Appended(4)]
    assert await secrets.by_id(A) == Credential(A, "$old", 1)
    assert await ids(secrets, A) == {kept.session_id}
    assert (await rows(owner, "codes"), await rows(owner, "mails")) == ([], [])
    assert (await secrets.by_id(B)).password == "$b", "the other one of its batch is stored"


async def test_secrets_are_invisible_before_the_commit(
    open_store: OpenStore, owner: Connection, secrets: SecretStore
) -> None:
    """The event and its secrets come together: who reads the password reads the version that it was set at."""
    store = open_store()
    await stored(store, change(A, 0, Effects(password="$1")))
    done = asyncio.Event()
    seen: set[tuple[int, str | None]] = set()

    async def look() -> None:
        while not done.is_set():
            credential = await secrets.by_id(A)
            seen.add((credential.version, credential.password))

    looking = asyncio.create_task(look())
    version = 0
    while len(seen) < 5:  # A busy machine may let many changes pass between two looks.
        version += 1
        assert version < 2_000, f"{version} changes, and only these were seen: {seen}"
        await stored(store, change(A, version, Effects(password=f"${version + 1}")))
    done.set()
    await looking
    assert all(password == f"${version}" for version, password in seen), seen


async def test_unknown_user_gets_no_secret_or_mail(open_store: OpenStore, owner: Connection) -> None:
    assert await open_store().append([change(A, 1, EVERYTHING)]) == [StaleVersion()]
    # A mail without an event, to a user who was never there.
    nothing = change(A, 1, Effects(mails=[MAIL]), events=0)
    assert await open_store().append([nothing]) == [StaleVersion()]
    assert await rows(owner, "mails") == []


async def test_mail_without_an_event_is_stored(open_store: OpenStore, owner: Connection) -> None:
    store = open_store()
    await stored(store, append(A))
    assert await store.append([change(A, 1, Effects(mails=[MAIL]), events=0)]) == [Appended(0)]
    (row,) = await rows(owner, "mails")
    assert row["user_id"] == A
    assert b"sam@example.com" not in bytes.fromhex(row["private"][2:])
    assert await store.head() == 1


# --- order --------------------------------------------------------------------------------------------------------


async def test_sessions_end_before_new_ones_begin(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    old, new = session(), session()
    await stored(store, append(A), login(A, old))
    both = change(
        A, 1, Effects(end_sessions="all", session=new, spent=["verify"], code=MailedCode("verify", RIGHT, LATER))
    )
    await stored(store, both)
    assert await ids(secrets, A) == {new.session_id}
    assert await secrets.attempt(A, RIGHT) == 2


async def test_commands_on_one_user_in_a_batch_apply_in_order(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    first, second, third = session(), session(), session()
    await stored(store, append(A), append(B))
    end = Effects(end_sessions="all")
    # A signs in, is signed out, and signs in again; B signs in after being signed out.
    await stored(
        store,
        login(A, first),
        change(A, 1, end),
        login(A, second, requires=2, logins=1),
        change(B, 1, end),
        login(B, third, requires=2),
    )
    assert (await ids(secrets, A), await ids(secrets, B)) == ({second.session_id}, {third.session_id})
    # The other way round: the end is last.
    fourth = session()
    await stored(store, login(A, fourth, requires=2, logins=2), change(A, 2, end))
    assert await ids(secrets, A) == set()


async def test_password_or_code_twice_in_a_batch_keeps_the_last(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    changes = [Effects(password=f"${number}", code=MailedCode("verify", bytes([number]), LATER)) for number in range(5)]
    await stored(store, *(change(A, number, each) for number, each in enumerate(changes)))
    assert await secrets.by_id(A) == Credential(A, "$4", 5)
    assert [await secrets.attempt(A, bytes([number])) for number in range(5)] == [None, None, None, None, 5]


async def test_revoked_session_ends_only_itself(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    one, two, other = session(), session(), session()
    await stored(store, append(A), append(B), login(A, one), login(A, two, logins=1), login(B, other))
    ending = append(logins_of(A), 2)
    ending.requires, ending.effects = 1, Effects(end_sessions=one.session_id)
    await stored(store, ending)
    assert await ids(secrets, A) == {two.session_id}
    # No user ends a session of another user.
    ending = append(logins_of(A), 3)
    ending.requires, ending.effects = 1, Effects(end_sessions=other.session_id)
    await stored(store, ending)
    assert await ids(secrets, B) == {other.session_id}


async def test_session_has_the_place_of_its_login(open_store: OpenStore, secrets: SecretStore) -> None:
    """By it later ends are told from earlier ones: it must be exact, also where a batch stores others before it."""
    store = open_store()
    begun = session(command_id="c1")
    batch = [append(A), append(B, events=3), login(A, begun), append(user_id())]
    assert await store.append(batch) == [Appended(1), Appended(4), Appended(5), Appended(6)]
    found = await secrets.session(begun.session_id)
    assert found == StoredSession(
        begun.session_id, A, place(1, 1), b"s" * 16, 0, "c1", begun.created_at, begun.created_at, begun.expires_at, None
    )


# --- what a login was decided on ----------------------------------------------------------------------------------


async def test_append_requires_user_and_login_versions(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    await stored(store, append(A, events=2))
    for requires, logins in ((1, 0), (3, 0), (2, 1), (0, 0)):
        assert await store.append([login(A, session(), requires=requires, logins=logins)]) == [StaleVersion()]
    assert await ids(secrets, A) == set()
    await stored(store, login(A, session(), requires=2))
    assert await store.append([login(A, session(), requires=2)]) == [StaleVersion()]
    # What changes the user behind it in its batch makes no difference, what changes the user before it does.
    assert await store.append([login(A, session(), requires=2, logins=1), append(A, 2)]) == [Appended(4), Appended(5)]
    assert await store.append([append(A, 3), login(A, session(), requires=3, logins=2)]) == [
        Appended(6),
        StaleVersion(),
    ]


async def test_outcome_of_a_login_is_kept(store: EventStore) -> None:
    await stored(store, append(A), append(B))
    await stored(store, login(A, session(), command_id="c1"), append(A, 1, command_id="c2"))
    await stored(store, login(A, session(), requires=2, logins=1, command_id="c3"), append(B, 1))
    nothing = append(logins_of(B), 0, 0, command_id="c4")
    nothing.requires = 2
    assert await store.append([nothing]) == [Appended(0)]
    assert await store.outcomes(["c1", "c2", "c3", "c4"]) == {
        "c1": Outcome(A, 1, None, 3, logins=1),
        "c2": Outcome(A, 2, None),
        "c3": Outcome(A, 2, None, 5, logins=2),
        "c4": Outcome(B, 2, None),
    }


# --- races --------------------------------------------------------------------------------------------------------


async def waits(owner: Connection, url: str, *names: str) -> None:
    """Until these writers wait for a lock."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as onlooker:

        async def waiting() -> bool:
            cursor = await onlooker.execute(
                "select count(*) from pg_stat_activity where application_name = any(%s) and wait_event_type = 'Lock'",
                [[f"denizen {name} append" for name in names]],
            )
            return await cursor.fetchone() == (len(names),)

        await until(waiting, f"{names} wait")


@pytest.mark.parametrize("first", ["login", "block"])
async def test_login_that_races_a_block_leaves_no_session(
    open_store: OpenStore, owner: Connection, secrets: SecretStore, database_url: str, first: str
) -> None:
    """Both were decided on version 1, and stand before the lock of the head in either order."""
    a, b = open_store("a"), open_store("b")
    await stored(a, append(A))
    writers = {"login": (a, login(A, session())), "block": (b, change(A, 1, Effects(end_sessions="all")))}
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    tasks: dict[str, asyncio.Task[list[Result]]] = {}
    for name in sorted(writers, key=lambda name: name != first):
        writer, made = writers[name]
        tasks[name] = asyncio.create_task(writer.append([made]))
        await waits(owner, database_url, *({"login": "a", "block": "b"}[each] for each in tasks))
    await owner.execute("commit")
    assert await tasks["block"] == [Appended(3 if first == "login" else 2)]
    assert await tasks["login"] == [Appended(2) if first == "login" else StaleVersion()]
    assert await ids(secrets, A) == set()


@pytest.mark.parametrize("first", ["login", "deletion"])
async def test_login_that_races_a_deletion_leaves_nothing(
    open_store: OpenStore, owner: Connection, database_url: str, first: str
) -> None:
    a, b = open_store("a"), open_store("b")
    await stored(a, append(A))
    writers = {"login": (a, login(A, session())), "deletion": (b, change(A, 1, Effects(erase=True)))}
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    tasks: dict[str, asyncio.Task[list[Result]]] = {}
    for name in sorted(writers, key=lambda name: name != first):
        writer, made = writers[name]
        tasks[name] = asyncio.create_task(writer.append([made]))
        await waits(owner, database_url, *({"login": "a", "deletion": "b"}[each] for each in tasks))
    await owner.execute("commit")
    assert isinstance((await tasks["deletion"])[0], Appended)
    assert (await tasks["login"] == [StaleVersion()]) == (first == "deletion")
    assert (await rows(owner, "sessions"), await rows(owner, "data_keys")) == ([], [])


async def test_login_that_lost_to_a_block_says_user_blocked(
    open_store: OpenStore, owner: Connection, secrets: SecretStore, database_url: str
) -> None:
    """Two whole processes, one of which signs in by a password that was right."""
    one, two = Accounts(open_store("a")), Accounts(open_store("b"))
    body = {"email": "sam@example.com", "emailVerified": True}
    user = (await one.one(ask("CreateUser", body)))["user"]["id"]
    call = ask("Authenticate", {"email": "sam@example.com", "password": "correct horse"})
    task = PendingCommand(call, LogIn(user, None, None), Facts(proven_at=1, session=session()))
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    blocking = asyncio.create_task(two.one(ask("BlockUser", {"userId": user})))
    await waits(owner, database_url, "b")
    signing_in = asyncio.create_task(one.one(task))
    await waits(owner, database_url, "a", "b")
    await owner.execute("commit")
    assert (await blocking)["user"]["status"] == "BLOCKED"
    assert (await signing_in)["error"]["code"] == "user_blocked"
    assert await ids(secrets, user) == set()
    history = [each.type for each in await open_store("reader").read(0, 10)]
    assert history == ["UserCreated", "UserBlocked", "LoginFailed"]


async def test_racing_copies_of_a_login_begin_one_session(
    open_store: OpenStore, owner: Connection, secrets: SecretStore, database_url: str
) -> None:
    """Two processes have proved the password and found no session of that command; both wait for the head."""
    a, b = open_store("a"), open_store("b")
    await stored(a, append(A), append(B))
    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    first = asyncio.create_task(a.append([login(A, session(command_id="c"), command_id="A c")]))
    await waits(owner, database_url, "a")
    of_another = login(B, session(command_id="c"), command_id="B c")
    copy = asyncio.create_task(b.append([login(A, session(command_id="c"), command_id="A c"), of_another]))
    await waits(owner, database_url, "a", "b")
    await owner.execute("commit")
    assert await first == [Appended(3)]
    assert await copy == [Repeated(), Appended(4)], "another user's command is another one"
    assert await b.append([login(A, session(command_id="c"), logins=1, command_id="A c")]) == [Repeated()], (
        "so it is later"
    )
    assert await b.append([login(A, session(command_id="d"), logins=1, command_id="A d")]) == [Appended(5)]
    begun = await secrets.begun([(A, "c"), (A, "d"), (B, "c"), (B, "d")])
    places = {(A, "c"): place(1, 1), (A, "d"): place(1, 2), (B, "c"): place(1, 1)}
    assert {key: each.place for key, each in begun.items()} == places
    await expire(owner, "sessions")
    assert await b.append([login(A, session(command_id="c"), logins=2)]) == [Appended(6)]


async def test_copy_of_a_login_is_answered_like_the_first(
    open_store: OpenStore, owner: Connection, secrets: SecretStore, database_url: str
) -> None:
    one, two = Accounts(open_store("a")), Accounts(open_store("b"))
    user = (await one.one(ask("CreateUser", {"email": "sam@example.com", "emailVerified": True})))["user"]["id"]

    async def repeat() -> Answer:
        (begun,) = (await secrets.begun([(user, "c")])).values()
        return Answer(f'"{begun.session_id}"'.encode())

    def copy() -> PendingCommand:
        call = ask("Authenticate", {"email": "sam@example.com", "password": "correct horse"})
        begins = session(command_id="c")
        said = f'"{begins.session_id}"'.encode()
        facts = Facts(proven_at=1, session=begins)
        return PendingCommand(call, LogIn(user, None, None), facts, lambda _, __: said, repeat=repeat)

    await owner.execute("begin")
    await owner.execute("select from log_head for update")
    asked: list[asyncio.Task[Any]] = []
    for accounts, name in ((one, "a"), (two, "b")):
        asked.append(asyncio.create_task(accounts.run(copy(), copy())))
        await waits(owner, database_url, *"ab"[: "ab".index(name) + 1])
    await owner.execute("commit")
    answers = {answer for replies in await asyncio.gather(*asked) for answer in replies}
    assert answers == await ids(secrets, user)
    assert len(answers) == 1
    assert [each.type for each in await open_store("reader").read(1, 10)] == ["LoginSucceeded"]


async def test_concurrent_logins_and_blocks_leave_no_session(open_store: OpenStore, secrets: SecretStore) -> None:
    """Whatever the order: the sessions that are there began after the last end, and none is left out."""
    stores = [open_store(name) for name in "abcd"]
    await stored(stores[0], append(A))

    async def write(store: EventStore, ends: bool) -> int:
        done = 0
        for _ in range(15):
            tips = await store.tips([A, logins_of(A)])
            version, logins = tips[A], tips.get(logins_of(A), 0)
            made = (
                change(A, version, Effects(end_sessions="all"))
                if ends
                else login(A, session(), requires=version, logins=logins)
            )
            (result,) = await store.append([made])
            done += isinstance(result, Appended)
        return done

    counts = await asyncio.gather(*(write(store, number == 0) for number, store in enumerate(stores)))
    assert counts[0] > 0
    assert sum(counts[1:]) > 0
    last_end = max(each.position for each in await stores[0].read(0, 100) if each.stream == A)
    version = (await stores[0].tips([A]))[A]
    began = [place(version, each.version) for each in await stores[0].read(last_end, 100)]
    assert sorted(each.place for each in await secrets.sessions(A)) == began


# --- codes --------------------------------------------------------------------------------------------------------


async def expire(owner: Connection, table: str) -> None:
    query = sql.SQL("update {} set expires_at = now() - interval '1 second'").format(sql.Identifier(table))
    await owner.execute(query)


async def test_code_can_be_tried_five_times(open_store: OpenStore, secrets: SecretStore, owner: Connection) -> None:
    store = open_store()
    await stored(store, change(A, 0, Effects(code=MailedCode("verify", RIGHT, LATER))))
    assert [await secrets.attempt(A, WRONG) for _ in range(4)] == [None] * 4
    assert await secrets.attempt(A, RIGHT) == 1
    assert await secrets.attempt(A, RIGHT) is None, "the sixth"
    # A new code can be tried again, and the old one is nothing any more.
    await stored(store, change(A, 1, Effects(code=MailedCode("verify", b"new", LATER))))
    assert await secrets.attempt(A, RIGHT) is None
    assert await secrets.attempt(A, b"new") == 2
    assert await secrets.attempt(B, RIGHT) is None
    await expire(owner, "codes")
    assert await secrets.attempt(A, b"new") is None


@pytest.mark.parametrize("wrong", [0, 25, 45])
async def test_concurrent_tries_compare_five_codes(
    open_store: OpenStore, open_secrets: OpenSecrets, owner: Connection, wrong: int
) -> None:
    await stored(open_store(), change(A, 0, Effects(code=MailedCode("verify", RIGHT, LATER))))
    stores = [open_secrets(name) for name in "abcde"]
    digests = [WRONG] * wrong + [RIGHT] * (50 - wrong)
    tries = [stores[number % 5].attempt(A, digest) for number, digest in enumerate(digests)]
    found = [version for version in await asyncio.gather(*tries) if version is not None]
    assert len(found) <= 5
    assert found == [1] * len(found)
    assert wrong or len(found) == 5
    assert [row["attempts"] for row in await rows(owner, "codes")] == [5]


LONG = "0123456789abcdef" * 2


def both(digest: bytes = RIGHT, long_code: str = LONG) -> Effects:
    """A code with a long one."""
    return Effects(code=MailedCode("verify", digest, LATER, long_code_digest(ring(), digest, long_code)))


async def test_long_code_works_after_the_digits_are_used_up(
    open_store: OpenStore, secrets: SecretStore, owner: Connection
) -> None:
    await stored(open_store(), change(A, 0, both()), append(B))
    for _ in range(7):
        assert await secrets.attempt_long(A, "f" * 32) is None
    assert [row["attempts"] for row in await rows(owner, "codes")] == [0], "a wrong long code is no try at the digits"
    assert [await secrets.attempt(A, WRONG) for _ in range(5)] == [None] * 5
    assert await secrets.attempt(A, RIGHT) is None
    assert await secrets.attempt_long(A, LONG) == 1
    assert await secrets.attempt_long(B, LONG) is None, "of another user"
    assert await secrets.token(long_code_digest(ring(), RIGHT, LONG)) is None
    await expire(owner, "codes")
    assert await secrets.attempt_long(A, LONG) is None


async def test_long_code_ends_when_it_is_spent_or_replaced(
    open_store: OpenStore, secrets: SecretStore, owner: Connection
) -> None:
    store = open_store()
    await stored(store, change(A, 0, both()), change(A, 1, both(b"new", "f" * 32)))
    assert await secrets.attempt_long(A, LONG) is None
    assert await secrets.attempt_long(A, "f" * 32) == 2
    await stored(store, change(A, 2, Effects(spent=["verify"])))
    assert (await secrets.attempt_long(A, "f" * 32), await secrets.attempt(A, b"new")) == (None, None)
    # A service of the version before replaces the digest of the six digits, and knows of nothing else.
    await stored(store, change(A, 3, both()))
    assert await secrets.attempt_long(A, LONG) == 4
    await owner.execute("update codes set digest = 'six digits'")
    assert await secrets.attempt_long(A, LONG) is None


async def test_code_of_the_version_before_has_no_long_one(open_store: OpenStore, secrets: SecretStore) -> None:
    await stored(open_store(), change(A, 0, Effects(code=MailedCode("verify", RIGHT, LATER))))
    assert [await secrets.attempt_long(A, each) for each in ("", LONG)] == [None, None]
    assert await secrets.attempt(A, RIGHT) == 1


async def test_code_of_another_purpose_is_refused(open_store: OpenStore, secrets: SecretStore) -> None:
    await stored(open_store(), change(A, 0, Effects(code=MailedCode("reset", RIGHT, LATER))))
    assert await secrets.attempt(A, RIGHT) is None
    assert await secrets.token(RIGHT) == (A, 1)
    await stored(open_store(), change(A, 1, Effects(code=MailedCode("verify", WRONG, LATER))))
    assert await secrets.token(WRONG) is None


async def test_reset_token_works_until_spent_replaced_or_expired(
    open_store: OpenStore, secrets: SecretStore, owner: Connection
) -> None:
    store = open_store()
    await stored(store, change(A, 0, Effects(code=MailedCode("reset", RIGHT, LATER))), append(A, 1))
    assert await secrets.token(RIGHT) == (A, 2)
    assert await secrets.token(WRONG) is None
    await expire(owner, "codes")
    assert await secrets.token(RIGHT) is None
    await stored(store, change(A, 2, Effects(code=MailedCode("reset", WRONG, LATER))))
    assert (await secrets.token(RIGHT), await secrets.token(WRONG)) == (None, (A, 3))
    await stored(store, change(A, 3, Effects(spent=["verify"])))
    assert await secrets.token(WRONG) == (A, 4)
    await stored(store, change(A, 4, Effects(spent=["reset"])))
    assert await secrets.token(WRONG) is None


# --- sessions -----------------------------------------------------------------------------------------------------


async def test_sessions_are_listed_newest_first_with_their_origin(
    open_store: OpenStore, secrets: SecretStore, owner: Connection
) -> None:
    store = open_store()
    begun = [session(created_at=NOW + timedelta(seconds=number)) for number in range(3)]
    await stored(store, append(A), *(login(A, each, logins=number) for number, each in enumerate(begun)))
    found = await secrets.sessions(A)
    assert [each.session_id for each in found] == [each.session_id for each in reversed(begun)]
    assert [each.private for each in found] == [{"ip": "192.0.2.7", "userAgent": "Firefox"}] * 3
    assert all("192.0.2.7" not in str(row) for row in await rows(owner, "sessions"))
    await expire(owner, "sessions")
    assert await secrets.sessions(A) == []
    assert await secrets.session(begun[0].session_id) is None
    assert not await secrets.refresh(found[0], "c1", NOW, LATER), "what has ended is not brought back"


async def test_concurrent_refreshes_one_wins(open_store: OpenStore, open_secrets: OpenSecrets) -> None:
    begun = session()
    await stored(open_store(), append(A), login(A, begun))
    stores = [open_secrets(name) for name in "abcde"]
    before = await stores[0].session(begun.session_id)
    assert before
    at, until_when = NOW + timedelta(seconds=5), LATER + timedelta(days=30)
    won = await asyncio.gather(*(stores[n % 5].refresh(before, f"c{n}", at, until_when) for n in range(50)))
    assert won.count(True) == 1
    after = await stores[0].session(begun.session_id)
    assert after
    assert (after.generation, after.command_id, after.expires_at) == (1, f"c{won.index(True)}", until_when)
    assert after.refreshed_at == at
    assert not await stores[0].refresh(before, "late", NOW, until_when)
    assert await stores[0].refresh(after, "next", NOW, until_when)


async def test_ended_session_cannot_be_refreshed(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    begun = session()
    await stored(store, append(A), login(A, begun))
    before = await secrets.session(begun.session_id)
    assert before
    await stored(store, change(A, 1, Effects(end_sessions="all")))
    assert not await secrets.refresh(before, "c1", NOW, LATER)
    assert await secrets.session(begun.session_id) is None


async def test_end_of_a_session_waits_for_a_running_refresh(
    open_store: OpenStore, owner: Connection, secrets: SecretStore, database_url: str
) -> None:
    """A refresh has not committed when all sessions end: its session is among them."""
    a = open_store("a")
    begun = session()
    await stored(a, append(A), login(A, begun))
    await owner.execute("begin")
    await owner.execute("update sessions set generation = generation + 1")
    ending = asyncio.create_task(a.append([change(A, 1, Effects(end_sessions="all"))]))
    await waits(owner, database_url, "a")
    await owner.execute("commit")
    assert await ending == [Appended(3)]
    assert await ids(secrets, A) == set()


# --- whose an address is ------------------------------------------------------------------------------------------


async def test_credentials_are_read_with_their_versions(open_store: OpenStore, secrets: SecretStore) -> None:
    store = open_store()
    sam: Claim = ("email", "sam@example.com")
    await stored(
        store, change(A, 0, Effects(password="$a"), take=[sam]), append(B, take=[("email", "kim@example.com")])
    )
    assert await secrets.by_email("sam@example.com") == Credential(A, "$a", 1)
    assert await secrets.by_email("kim@example.com") == Credential(B, None, 1)
    assert await secrets.by_email("unknown@example.com") is None
    assert await secrets.by_id(B) == Credential(B, None, 1)
    assert await secrets.by_id(unknown := user_id()) == Credential(unknown, None, 0)
    await stored(store, append(A, 1, release=[sam], take=[("email", "new@example.com")]))
    assert await secrets.by_email("sam@example.com") is None
    assert await secrets.by_email("new@example.com") == Credential(A, "$a", 2)


# --- what goes ----------------------------------------------------------------------------------------------------


async def test_expired_rows_are_removed(open_store: OpenStore, secrets: SecretStore, owner: Connection) -> None:
    store = open_store()
    yesterday = NOW - timedelta(days=1)
    gone, kept = session(expires_at=yesterday), session()
    await stored(store, append(A), append(B), login(A, gone), login(B, kept))
    await stored(store, change(A, 1, Effects(code=MailedCode("reset", RIGHT, yesterday))))
    await stored(store, change(B, 1, Effects(code=MailedCode("verify", RIGHT, LATER))))
    await owner.execute(
        "insert into throttles values ('a', now() - interval '1 second'), ('b', now() + interval '1 h')"
    )
    assert await secrets.forget() == 3
    assert await secrets.forget() == 0
    assert [row["session_id"] for row in await rows(owner, "sessions")] == [kept.session_id]
    assert [row["user_id"] for row in await rows(owner, "codes")] == [B]
    assert len(await rows(owner, "throttles")) == 1


async def test_erased_user_is_in_no_table(open_store: OpenStore, secrets: SecretStore, owner: Connection) -> None:
    """Except the log, which cannot be read any more, and the ids of the user's commands, which reveal nothing."""
    store = open_store()
    claims = {user: [("email", user), ("externalId", user), ("identity", user)] for user in (A, B)}
    for user in (A, B):
        made = change(user, 0, EVERYTHING, take=claims[user], command_id=f"c {user}")
        made.effects = Effects(
            password="$1", code=MailedCode("verify", user.encode(), LATER), session=session(), mails=[MAIL, MAIL]
        )
        await stored(store, made, change(user, 1, Effects(code=MailedCode("reset", user.encode(), LATER))))

    async def tables_with(user: str) -> dict[str, int]:
        cursor = await owner.execute(
            "select relname from pg_class where relnamespace = 'denizen'::regnamespace and relkind = 'r'"
        )
        tables = [name for (name,) in await cursor.fetchall()]
        counts = {name: sum(user in str(row) for row in await rows(owner, name)) for name in tables}
        return {name: number for name, number in counts.items() if number}

    whole = {
        "passwords": 1,
        "codes": 2,
        "sessions": 1,
        "mails": 2,
        "claims": 3,
        "data_keys": 1,
        "events": 2,
        "commands": 1,
    }
    assert await tables_with(A) == whole
    deletion = change(A, 2, Effects(erase=True), release=claims[A])
    await stored(store, deletion)
    assert await tables_with(A) == {"events": 3, "commands": 1}
    assert await tables_with(B) == whole
    assert [each.private for each in (await streams(open_store("b"), [A]))[A]] == [None] * 3
    # A store that still has the user's data key in memory adds nothing either.
    for late in (login(A, session(), requires=2), change(A, 2, EVERYTHING), login(A, session(), requires=0)):
        assert await store.append([late]) == [StaleVersion()]
    assert await tables_with(A) == {"events": 3, "commands": 1}
    # Nor does the user come back by another beginning, with a new data key.
    assert await store.append([append(A)]) == [StaleVersion()]
    assert [row["user_id"] for row in await rows(owner, "data_keys")] == [B]
