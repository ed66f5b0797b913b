"""Hypothesis: whatever is appended, PostgreSQL answers as memory does and keeps the same log."""

import asyncio
from collections.abc import Awaitable
from itertools import count
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.domain.claim_kinds import Claim
from services.eventstore.log.memory import MemoryEventStore
from services.eventstore.log.postgres import PostgresEventStore
from services.eventstore.log.store import Append, Appended
from tests.support import log

T = TypeVar("T")
_MACHINES = count()
_EMAILS: list[Claim] = [("email", "x"), ("email", "y")]
_CLAIMS: list[Claim] = [*_EMAILS, ("externalId", "n")]

_APPENDS = st.fixed_dictionaries(
    {
        "user": st.integers(0, 3),
        "behind": st.sampled_from([0, 0, 0, 0, 1, -1]),
        "events": st.integers(0, 2),
        "take": st.frozensets(st.sampled_from(_CLAIMS), max_size=2),
        "release": st.frozensets(st.sampled_from(_CLAIMS), max_size=2),
        "command": st.none() | st.integers(0, 4),
        "refused": st.booleans(),
    }
)


class Machine(RuleBasedStateMachine):
    """One database for all runs: each has users, claims and commands of its own, behind what earlier runs left."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.name = str(next(_MACHINES))
        self.users: list[str] = [log.user_id() for _ in range(4)]
        self.memory = MemoryEventStore()
        self.postgres = PostgresEventStore(log.settings(self.url), log.ring(), "model")
        self.behind = self.run_in(self.postgres.head())

    def run_in(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    def claim(self, claim: Claim) -> Claim:
        return claim[0], f"{self.name} {claim[1]}"

    def append_of(self, drawn: dict[str, Any], versions: dict[str, int]) -> Append:
        """An append that mostly continues its stream, as the batch would have left it if all went well."""
        user = self.users[int(drawn["user"])]
        expected = max(0, versions.get(user, 0) - drawn["behind"])
        refusal = {"error": {"code": "no"}} if drawn["refused"] and drawn["command"] is not None else None
        result = log.append(
            user,
            expected,
            0 if refusal else drawn["events"],
            take=() if refusal else map(self.claim, drawn["take"]),
            release=() if refusal else map(self.claim, drawn["release"] - drawn["take"]),
            command_id=None if drawn["command"] is None else f"{self.name} {drawn['command']}",
            refusal=refusal,
        )
        versions[user] = expected + len(result.events)
        return result

    @rule(drawn=st.lists(_APPENDS, min_size=1, max_size=6))
    def append(self, drawn: list[dict[str, Any]]) -> None:
        loaded = self.run_in(log.streams(self.memory, self.users))
        versions = {user: len(events) for user, events in loaded.items()}
        batch = [self.append_of(each, versions) for each in drawn]
        expected = self.run_in(self.memory.append(batch))
        actual = self.run_in(self.postgres.append(batch))
        # Positions within a batch may differ: what waits for another of it is stored behind the rest.
        # So may the reason why one is refused, where there are two: test_contract.py has the reasons.
        for append, one, other in zip(batch, actual, expected, strict=True):
            assert isinstance(one, Appended) == isinstance(other, Appended), (append, one, other)

    @invariant()
    def same_streams(self) -> None:
        ours, theirs = (
            self.run_in(log.streams(self.memory, self.users)),
            self.run_in(log.streams(self.postgres, self.users)),
        )
        strip = {
            user: [(e.event_id, e.version, e.public, e.private, e.metadata) for e in events]
            for user, events in ours.items()
        }
        assert strip == {
            user: [(e.event_id, e.version, e.public, e.private, e.metadata) for e in events]
            for user, events in theirs.items()
        }

    @invariant()
    def same_outcomes(self) -> None:
        ids = [f"{self.name} {number}" for number in range(5)]
        assert self.run_in(self.memory.outcomes(ids)) == self.run_in(self.postgres.outcomes(ids))

    @invariant()
    def contiguous(self) -> None:
        events = self.run_in(self.postgres.read(self.behind, 10_000))
        assert [event.position for event in events] == list(range(self.behind + 1, self.behind + 1 + len(events)))
        assert len(events) == self.run_in(self.memory.head())
        assert self.run_in(self.postgres.head()) == self.behind + len(events)

    def teardown(self) -> None:
        self.run_in(self.postgres.close())
        self.runner.close()


def test_postgres_answers_like_memory(database_url: str) -> None:
    machine = type("OnThisDatabase", (Machine,), {"url": database_url})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40, stateful_step_count=8, deadline=None, suppress_health_check=checks, phases=[Phase.generate]
        ),
    )
