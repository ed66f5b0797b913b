"""Rounds over the log in memory: each is answered once, and a repeat like the first time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from denizen import messages as m

from services.accounts.pending import Answer, PendingCommand
from services.domain import refusals
from services.domain.commands import ImportUser
from services.domain.decide import lifecycle
from services.domain.events import encode
from services.domain.refusals import Refusal
from services.domain.sessions import place
from services.endpoint.call import Call
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.store import Append, Appended, OutcomeUnknown, Result
from services.platform.database import DatabaseUnavailable
from services.platform.ids import new_event_id
from tests.support.accounts import Accounts, ask
from tests.support.log import append, user_id

Json = dict[str, Any]


def create(email: str = "a@example.com", external_id: str | None = None, **headers: str | int) -> Call:
    body: Json = {"email": email, **({"externalId": external_id} if external_id else {})}
    return ask("CreateUser", body, **headers)


def code(reply: Json) -> str:
    return str(reply["error"]["code"])


async def created(accounts: Accounts, email: str = "a@example.com", external_id: str | None = None) -> str:
    reply = await accounts.one(create(email, external_id))
    return str(reply["user"]["id"])


async def test_created_user_is_blocked() -> None:
    accounts = Accounts()
    reply = await accounts.one(create("Sam@Example.com"))
    assert (reply["version"], reply["position"], reply["user"]["email"]) == (1, 1, "Sam@Example.com")
    assert reply["user"]["loginCount"] is None
    reply = await accounts.one(ask("BlockUser", {"userId": reply["user"]["id"], "reason": "spam"}))
    assert (reply["version"], reply["position"], reply["user"]["status"]) == (2, 2, "BLOCKED")
    assert reply["user"]["version"] == 2
    assert accounts.signals == 2


async def test_event_metadata_has_actor_and_command_id() -> None:
    accounts = Accounts()
    await accounts.one(create(id="c1", actor="admin_7"))
    (event,) = await accounts.store.read(0, 10)
    assert event.metadata == {"commandId": "c1", "actor": "admin_7"}


# --- claims -----------------------------------------------------------------------------------------------------


async def test_concurrent_claims_of_one_address_one_wins() -> None:
    accounts = Accounts()
    emails = ["sam@example.com", "SAM@example.com", "Sam@EXAMPLE.com", "\u017fam@example.com"] * 25
    replies = await accounts.run(*map(create, emails))
    assert "user" in replies[0]
    assert [code(reply) for reply in replies[1:]] == ["email_taken"] * 99
    assert {reply["error"]["field"] for reply in replies[1:]} == {"email"}
    assert await accounts.store.head() == 1
    assert accounts.signals == 1


async def test_external_id_belongs_to_one_user() -> None:
    accounts = Accounts()
    first = await created(accounts, "a@example.com", "x")
    assert code(await accounts.one(create("b@example.com", "x"))) == "external_id_taken"
    second = await created(accounts, "b@example.com")
    update = {"userId": second, "externalId": "x"}
    assert code(await accounts.one(ask("UpdateUser", update))) == "external_id_taken"
    await accounts.one(ask("UpdateUser", {"userId": first, "externalId": None}))
    assert (await accounts.one(ask("UpdateUser", update)))["user"]["externalId"] == "x"


async def test_refused_creation_leaves_no_claim() -> None:
    accounts = Accounts()
    await created(accounts, "a@example.com", "x")
    assert code(await accounts.one(create("b@example.com", "x"))) == "external_id_taken"
    assert "user" in await accounts.one(create("b@example.com"))


# --- one batch --------------------------------------------------------------------------------------------------


async def test_two_commands_on_one_user_in_a_batch_succeed() -> None:
    accounts = Accounts()
    user = await created(accounts)
    replies = await accounts.run(
        ask("UpdateUser", {"userId": user, "metadata": {"a": 1}}),
        ask("UpdateUser", {"userId": user, "metadata": {"b": 2}}),
        ask("BlockUser", {"userId": user}),
        ask("BlockUser", {"userId": user}),
        ask("ReactivateUser", {"userId": user}),
    )
    assert [reply.get("version") for reply in replies] == [2, 3, 4, 4, None]
    assert [reply.get("position") for reply in replies] == [2, 3, 4, 4, None]
    assert replies[1]["user"]["metadata"] == {"a": 1, "b": 2}
    assert code(replies[4]) == "invalid_transition"
    assert accounts.signals == 2


class Noting(Accounts):
    """Notes what is sent when; who hears that sessions ended does so two turns of the loop later, as over NATS."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[str] = []
        self._telling: set[asyncio.Task[None]] = set()

    async def _send(self, task: PendingCommand, answer: Answer) -> None:
        await super()._send(task, answer)
        self.order.append(task.call.operation.name)
        if answer.ended is not None:
            self._telling.add(asyncio.create_task(self._tell()))

    async def _tell(self) -> None:
        await asyncio.sleep(0)
        self.order.append("told")

    async def _appended(self, mails: bool) -> None:
        await super()._appended(mails)
        self.order.append("poke")


async def test_revocation_is_published_before_other_replies() -> None:
    accounts = Noting()
    users = [await created(accounts, f"{name}@example.com") for name in "abc"]
    accounts.order.clear()
    replies = await accounts.run(
        ask("UpdateUser", {"userId": users[0], "metadata": {"a": 1}}),
        create("d@example.com"),
        ask("BlockUser", {"userId": users[1]}),
        ask("BlockUser", {"userId": users[0]}),
        ask("UnblockUser", {"userId": users[0]}),
    )
    assert accounts.order == ["BlockUser"] * 2 + ["told"] * 2 + ["poke", "UpdateUser", "CreateUser", "UnblockUser"]
    assert [reply["position"] for reply in replies] == [4, 5, 6, 7, 8]
    assert [ended.place for ended in accounts.ended] == [place(2), place(3)]


async def test_unchanged_user_reply_has_the_last_position() -> None:
    accounts = Accounts()
    user = await created(accounts)
    await created(accounts, "b@example.com")
    reply = await accounts.one(ask("UpdateUser", {"userId": user}))
    assert (reply["version"], reply["position"]) == (1, 1)
    assert await accounts.store.head() == 2
    assert accounts.signals == 2


async def test_refusal_in_a_batch_affects_only_itself() -> None:
    accounts = Accounts()
    user = await created(accounts)
    replies = await accounts.run(
        ask("UnblockUser", {"userId": user}), create("b@example.com"), ask("BlockUser", {"userId": user_id()})
    )
    assert [code(replies[0]), code(replies[2])] == ["invalid_transition", "user_not_found"]
    assert replies[1]["position"] == 2


async def test_external_id_moves_between_users_in_one_batch() -> None:
    accounts = Accounts()
    user = await created(accounts)
    changes = [ask("UpdateUser", {"userId": user, "externalId": value}) for value in ("x", "y", "x", None)]
    replies = await accounts.run(*changes)
    assert [reply["user"]["externalId"] for reply in replies] == ["x", "y", "x", None]
    assert "user" in await accounts.one(create("b@example.com", "x"))
    assert "user" in await accounts.one(create("c@example.com", "y"))


# --- repeats ----------------------------------------------------------------------------------------------------


async def test_copies_of_a_command_run_once() -> None:
    accounts = Accounts()
    replies = await accounts.raw(*(create(id="c1") for _ in range(60)))
    assert len(set(replies)) == 1
    assert b'"user"' in replies[0]
    assert await accounts.store.head() == 1
    assert await accounts.raw(create(id="c1")) == replies[:1]


async def test_repeat_shows_the_user_as_of_the_command() -> None:
    accounts = Accounts()
    user = await created(accounts)
    update = {"userId": user, "metadata": {"a": 1}}
    first = await accounts.raw(ask("UpdateUser", update, id="c1"))
    await accounts.run(ask("UpdateUser", {"userId": user, "metadata": {"a": None}}), ask("BlockUser", {"userId": user}))
    assert await accounts.raw(ask("UpdateUser", update, id="c1")) == first
    assert await accounts.store.head() == 4


async def test_repeat_of_an_unchanging_command_is_answered_alike() -> None:
    accounts = Accounts()
    user = await created(accounts)
    first = await accounts.raw(ask("UpdateUser", {"userId": user}, id="c1"))
    await accounts.one(ask("BlockUser", {"userId": user}))
    assert await accounts.raw(ask("UpdateUser", {"userId": user}, id="c1")) == first


REFUSED: dict[str, Callable[[str], Call]] = {
    "email taken": lambda _: create("a@example.com", id="c1"),
    "not blocked": lambda user: ask("UnblockUser", {"userId": user}, id="c1"),
    "nobody": lambda _: ask("BlockUser", {"userId": "user_" + "0" * 26}, id="c1"),
    "another version": lambda user: ask("BlockUser", {"userId": user}, id="c1", version=9),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED.keys())
async def test_repeat_of_a_refusal_is_refused_alike(
    refused: Callable[[str], Call],
) -> None:
    accounts = Accounts()
    user = await created(accounts)
    first = await accounts.raw(refused(user))
    assert b'"error"' in first[0]
    await accounts.run(ask("BlockUser", {"userId": user}), *(ask("UpdateUser", {"userId": user}) for _ in range(3)))
    assert await accounts.raw(refused(user)) == first
    assert await accounts.raw(*(refused(user) for _ in range(5))) == first * 5


async def test_used_id_with_another_body_is_refused() -> None:
    accounts = Accounts()
    first = await accounts.raw(create("a@example.com", id="c1"))
    (refused,) = await accounts.run(create("b@example.com", id="c1"))
    assert refused["error"] == {
        "code": "validation_failed",
        "message": "this command id was used for another request",
        "field": "Nats-Msg-Id",
    }
    assert await accounts.raw(create("a@example.com", id="c1")) == first
    assert await accounts.store.head() == 1


async def test_used_id_of_a_refusal_with_another_body_is_refused() -> None:
    accounts = Accounts()
    await created(accounts, "a@example.com")
    first = await accounts.raw(create("a@example.com", id="c1"))
    assert code((await accounts.run(create("b@example.com", id="c1")))[0]) == "validation_failed"
    assert await accounts.raw(create("a@example.com", id="c1")) == first


async def test_used_id_in_one_batch_with_another_body_is_refused() -> None:
    accounts = Accounts()
    calls = [create(f"{name}@example.com", id="c1") for name in ("a", "b", "a")]
    first, other, same = await accounts.run(*calls)
    assert (first["user"]["email"], code(other), same) == ("a@example.com", "validation_failed", first)


async def test_equivalent_repeat_gets_the_first_reply() -> None:
    """The order of keys, a condition and the actor are no part of what is asked."""
    accounts = Accounts()
    user = await created(accounts)
    body = {"userId": user, "metadata": {"a": 1, "b": [True]}}
    first = await accounts.raw(ask("UpdateUser", body, id="c1", version=1, actor="one"))
    turned = {"metadata": {"b": [True], "a": 1}, "userId": user}
    assert await accounts.raw(ask("UpdateUser", turned, id="c1", version=2, actor="two")) == first
    for other in ({"a": True, "b": [True]}, {"a": 1.0, "b": [True]}, {"a": 1}, {"a": 1, "b": [True], "c": None}):
        reply = await accounts.one(ask("UpdateUser", {"userId": user, "metadata": other}, id="c1"))
        assert code(reply) == "validation_failed", other


async def test_outcome_without_digest_is_repeated_for_any_body() -> None:
    """It was kept by the version before."""
    accounts = Accounts()
    before = create("a@example.com", id="c1")
    before.digest = None
    first = await accounts.raw(before)
    assert await accounts.raw(create("b@example.com", id="c1")) == first


async def test_id_of_another_operation_is_refused() -> None:
    """A back end that is told of a success must have had it."""
    accounts = Accounts()
    user, other = await created(accounts), await created(accounts, "b@example.com")
    await accounts.one(ask("UpdateUser", {"userId": user, "metadata": {"a": 1}}, id="c1"))
    await accounts.one(ask("UnblockUser", {"userId": user}, id="c2"))
    for again in (
        ask("BlockUser", {"userId": user}, id="c1"),
        ask("UpdateUser", {"userId": other, "metadata": {"a": 1}}, id="c1"),
        ask("BlockUser", {"userId": user}, id="c2"),
        create("c@example.com", id="c1"),
    ):
        error = (await accounts.one(again))["error"]
        assert (error["code"], error["field"]) == ("validation_failed", "Nats-Msg-Id")
    assert await accounts.store.head() == 3
    both = [ask("BlockUser", {"userId": each}, id="c3") for each in (user, other)]
    first, second = await accounts.run(*both)
    assert (first["user"]["status"], code(second)) == ("BLOCKED", "validation_failed"), "in one batch likewise"


async def test_outcome_without_operation_name_counts() -> None:
    accounts = Accounts()
    user = await created(accounts)
    await accounts.store.append([append(user, 1, 0, command_id="c1")])
    reply = await accounts.one(ask("BlockUser", {"userId": user}, id="c1"))
    assert (reply["version"], reply["user"]["status"]) == (1, "PENDING_VERIFICATION")


@pytest.mark.parametrize(("end", "refusal"), [("BlockUser", "user_blocked"), ("DeactivateUser", "user_deactivated")])
async def test_ended_session_runs_no_command(end: str, refusal: str) -> None:
    """It was looked up before the block, in the same moment."""
    accounts = Accounts()
    user = await created(accounts)
    own = ask("SelfUpdateUser", {"metadata": {"a": 1}})
    own.actor, own.request = user, m.UpdateUser(user_id=user, metadata={"a": 1})
    _, mine = await accounts.run(ask(end, {"userId": user}), own)
    assert code(mine) == refusal
    assert await accounts.store.head() == 2
    assert "user" in await accounts.one(ask("UpdateUser", {"userId": user, "metadata": {"a": 1}})), "a back end may"


async def test_copies_beside_others_in_one_batch_run_once() -> None:
    accounts = Accounts()
    calls = [create("a@example.com", id="c1"), create("a@example.com", id="c2"), create("a@example.com", id="c1")]
    replies = await accounts.run(*calls, create("b@example.com"))
    assert replies[0] == replies[2]
    assert code(replies[1]) == "email_taken"
    assert "user" in replies[3]
    assert await accounts.store.head() == 2


# --- conditions -------------------------------------------------------------------------------------------------


async def test_wrong_expected_version_conflicts() -> None:
    accounts = Accounts()
    user = await created(accounts)
    reply = await accounts.one(ask("BlockUser", {"userId": user}, version=2))
    assert code(reply) == "version_conflict"
    assert reply["error"]["details"] == [{"version": 1}]
    assert (await accounts.one(ask("BlockUser", {"userId": user}, version=1)))["version"] == 2
    # Not even what would change nothing, and not what is refused anyway, when the caller saw another user.
    assert code(await accounts.one(ask("BlockUser", {"userId": user}, version=1))) == "version_conflict"
    assert code(await accounts.one(ask("ReactivateUser", {"userId": user}, version=1))) == "version_conflict"
    assert code(await accounts.one(ask("BlockUser", {"userId": user_id()}, version=1))) == "user_not_found"


async def test_expected_version_of_a_new_user_is_zero() -> None:
    accounts = Accounts()
    assert code(await accounts.one(create(version=1))) == "version_conflict"
    assert "user" in await accounts.one(create(version=0))


async def test_one_of_two_expecting_the_same_version_wins() -> None:
    accounts = Accounts()
    user = await created(accounts)
    replies = await accounts.run(
        *(ask("UpdateUser", {"userId": user, "metadata": {"n": n}}, version=1) for n in range(3))
    )
    assert replies[0]["version"] == 2
    assert [code(reply) for reply in replies[1:]] == ["version_conflict"] * 2


async def test_deadline_passed_in_the_queue_is_refused() -> None:
    accounts = Accounts()
    call = create(id="c1", deadline="2999-01-01T00:00:00Z")
    call.deadline = time.time() - 1
    assert code(await accounts.one(call)) == "deadline_exceeded"
    assert await accounts.store.head() == 0
    # It is not kept: the same command with time left is done.
    assert "user" in await accounts.one(create(id="c1"))


# --- what goes wrong --------------------------------------------------------------------------------------------


class Racing(MemoryEventStore):
    """Another process changes the user between the decision and the append, `times` times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def append(self, batch: Sequence[Append]) -> list[Result]:
        user = next((each.stream for each in batch if each.expected), None)
        if user and self.times:
            self.times -= 1
            version = (await self.tips([user]))[user]
            (result,) = await super().append([append(user, version)])
            assert isinstance(result, Appended)
        return await super().append(batch)


async def test_command_that_lost_a_race_is_decided_again() -> None:
    accounts = Accounts(Racing(3))
    user = await created(accounts)
    reply = await accounts.one(ask("BlockUser", {"userId": user}))
    assert (reply["version"], reply["position"]) == (5, 5)


async def test_decision_on_a_lost_change_is_made_again() -> None:
    """Though its version fits: the other process took the place of the change that it was decided on."""
    accounts = Accounts(Racing(1))
    user = await created(accounts)
    change = ask("UpdateUser", {"userId": user, "metadata": {"a": 1}})
    replies = await accounts.run(change, ask("BlockUser", {"userId": user}))
    assert [reply["version"] for reply in replies] == [3, 4]


async def test_command_that_always_loses_is_refused() -> None:
    accounts = Accounts(Racing(1000))
    user = await created(accounts)
    replies = await accounts.run(ask("BlockUser", {"userId": user}), create("b@example.com"))
    assert code(replies[0]) == "overloaded"
    assert "user" in replies[1]


async def test_race_with_a_copy_becomes_a_repeat() -> None:
    """Another process ran the same command after we had looked."""

    class Overtaken(MemoryEventStore):
        async def append(self, batch: Sequence[Append]) -> list[Result]:
            if not await self.head():
                await super().append(batch)
            return await super().append(batch)

    accounts = Accounts(Overtaken())
    reply = await accounts.one(create(id="c1"))
    assert (reply["position"], await accounts.store.head()) == (1, 1)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(DatabaseUnavailable(), "overloaded"), (OutcomeUnknown(), "internal"), (RuntimeError("canary"), "internal")],
)
@pytest.mark.parametrize("method", ["append", "load", "outcomes"])
async def test_failing_log_leaves_no_command_unanswered(
    method: str, error: Exception, expected: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: object) -> None:
        raise error

    accounts = Accounts()
    user = await created(accounts)
    monkeypatch.setattr(accounts.store, method, fail)
    replies = await accounts.run(create("b@example.com", id="c1"), ask("BlockUser", {"userId": user}))
    assert [code(reply) for reply in replies] == [expected] * 2
    assert "canary" not in str(replies)


@pytest.mark.parametrize("repeated", [False, True], ids=["first", "repeat"])
async def test_stored_command_without_position_is_of_unknown_outcome(
    repeated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user asked for themselves is stored, and then the head of the log, their position, cannot be read."""
    accounts = Accounts()
    user = await created(accounts)
    other = await created(accounts, "b@example.com")

    def unchanged() -> PendingCommand:
        call = ask("SelfUpdateUser", {"metadata": {}}, id="c1")
        return PendingCommand(call, m.UpdateUser(user_id=user, metadata={}))

    async def fail() -> int:
        raise DatabaseUnavailable

    if repeated:
        assert "user" in await accounts.one(unchanged())
    monkeypatch.setattr(accounts.store, "head", fail)
    replies = await accounts.run(ask("BlockUser", {"userId": other}), unchanged())
    assert replies[0]["user"]["status"] == "BLOCKED", "the rest of the batch is answered"
    assert len(accounts.ended) == 1
    assert replies[1]["error"] == refusals.outcome_unknown().body()["error"]


async def test_times_in_a_history_never_decrease() -> None:
    accounts = Accounts()
    first = await accounts.one(create())
    future = (await accounts.store.read(0, 1))[0]
    future.recorded_at = future.recorded_at.replace(year=2999)
    reply = await accounts.one(ask("BlockUser", {"userId": first["user"]["id"]}))
    assert reply["user"]["updatedAt"].startswith("2999")


async def test_times_never_decrease_across_processes() -> None:
    accounts = Accounts()
    row = m.ImportedUser(email="a@example.com", created_at="2019-01-01T00:00:00Z", updated_at="2020-01-01T00:00:00Z")
    imported = user_id()
    decision = lifecycle.import_user(ImportUser(row, imported))
    assert not isinstance(decision, Refusal)
    (created,) = [encode(event, imported, 1, "PENDING_VERIFICATION", new_event_id()) for event in decision]
    await accounts.store.append([Append(imported, 0, [created], {"commandId": "c"}, datetime.now(UTC))])
    (came,) = await accounts.store.read(0, 1)
    came.recorded_at = came.recorded_at.replace(year=2999)
    user = (await accounts.users.user(imported)).user
    assert user
    assert user.updated_at.year == 2020
    await accounts.one(ask("BlockUser", {"userId": imported}))
    _, blocked = await accounts.store.read(0, 2)
    assert blocked.recorded_at == came.recorded_at
