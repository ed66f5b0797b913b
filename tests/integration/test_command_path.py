"""A command's way through the code, from the message of NATS to the insert into the log.

A module *hands the command on* if it is on the call stack where the command changes hands (a task is started for it,
it is queued, its events are inserted), or if it calls another module with the command, in any of its forms, as an
argument. Modules that are called with it and hand it to no other are the *leaves*: they check it, or make a part of
what becomes of it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, cast

import nats
import pytest
from denizen.messages import Request
from nats.aio.msg import Msg
from pydantic import SecretStr

from services.accounts import service
from services.accounts.deciding import Decided
from services.accounts.pending import PendingCommand
from services.domain.events.base import DomainEvent
from services.domain.streams import NewEvent
from services.endpoint.call import Call
from services.eventstore.log.batch import Batch
from services.eventstore.log.store import Append
from services.platform import sql
from services.platform.batching import Batcher
from services.platform.tasks import TaskSet
from tests.support.backend import Backend
from tests.support.log import with_keys
from tests.support.servers import REPOSITORY, NatsServer

FORMS = Msg, Call, Request, PendingCommand, Decided, DomainEvent, NewEvent, Append, Batch
"""What the command is on its way."""
RUNNERS = ("services/platform/tasks.py", "services/platform/batching.py", "services/endpoint/answering.py")
"""They run work that they are given, and know nothing of commands."""
MOST = 12
PAGE = REPOSITORY / "docs/explanation/architecture.md"
INSERT = sql.load("services.eventstore.log", "insert_events")


class CommandPath:
    """Follows the one command of a process until its events are inserted."""

    def __init__(self) -> None:
        self.handing: dict[str, None] = {}
        """The modules that handed it on, in the order in which they did so first."""
        self.called: dict[str, None] = {}
        """The modules that were called with it."""
        self.stacks: list[list[str]] = []
        """The modules on the stack, outermost first, where it changed hands."""
        self.inserted = False

    @property
    def leaves(self) -> list[str]:
        return [module for module in self.called if module not in self.handing]

    @contextmanager
    def followed(self) -> Generator[None]:
        sys.setprofile(self._called)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or self.inserted:
            return
        code = frame.f_code
        if code in (TaskSet.start.__code__, Batcher.put.__code__):
            self._changes_hands(frame)
        elif code.co_name == "execute" and frame.f_locals.get("query") == INSERT:
            self._changes_hands(frame)
            self.inserted = True
        module = _module(code)
        if module is not None and any(_is_command(frame.f_locals.get(name)) for name in _arguments(code)):
            self.called.setdefault(module)
            caller = _stack(frame.f_back)[-1:]
            if caller != [module]:
                self.handing.update(dict.fromkeys(caller))

    def _changes_hands(self, frame: FrameType) -> None:
        stack = _stack(frame)
        self.handing.update((module, None) for module in stack if module not in self.handing)
        self.stacks.append(stack)


def _stack(frame: FrameType | None) -> list[str]:
    """The modules of ours on a call stack, outermost first; calls inside a module count once."""
    modules: list[str] = []
    while frame is not None:
        module = _module(frame.f_code)
        if module is not None and modules[-1:] != [module]:
            modules.append(module)
        frame = frame.f_back
    return modules[::-1]


def _module(code: CodeType) -> str | None:
    path = Path(code.co_filename)
    name = path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else ""
    return name if name.startswith(("services/", "contracts/denizen/")) else None


def _arguments(code: CodeType) -> tuple[str, ...]:
    return tuple(name for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if name != "self")


def _is_command(value: Any) -> bool:
    if isinstance(value, dict):
        held = cast(dict[Any, Any], value)
        return any(map(_is_command, (*held, *held.values())))
    if isinstance(value, list | tuple):
        return any(map(_is_command, cast(list[Any], value)))
    return isinstance(value, FORMS)


@pytest.fixture
async def accounts(database_url: str, nats_server: NatsServer) -> AsyncIterator[Backend]:
    """A back end that talks to an accounts service in this process."""
    passwords = {f"nats_{user}_password": SecretStr(secret) for user, secret in nats_server.passwords.items()}
    settings = with_keys(database_url).model_copy(update={"nats_url": nats_server.url, **passwords})
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(service.run(settings, stop, ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=60)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    assert ready.is_set(), running
    client = await nats.connect(
        nats_server.url, user="backend", password=nats_server.passwords["backend"], inbox_prefix=b"_INBOX.backend"
    )
    yield Backend(client)
    await client.close()
    stop.set()
    async with asyncio.timeout(60):
        await running


@pytest.mark.embedded  # On containers the services of other tests answer on the same NATS, and may take the command.
async def test_create_user_passes_at_most_twelve_modules_downwards(accounts: Backend) -> None:
    path = CommandPath()
    with path.followed():
        await accounts.create(password="correct horse battery staple")
    assert path.inserted
    handing = [module for module in path.handing if module not in RUNNERS]
    assert handing == [
        "services/endpoint/server.py",
        "services/accounts/intake.py",
        "services/accounts/handlers/handler.py",
        "services/accounts/handlers/lifecycle.py",
        "services/accounts/rounds.py",
        "services/accounts/deciding.py",
        "services/domain/record.py",
        "services/eventstore/log/postgres.py",
    ]
    assert len(path.handing) <= MOST, list(path.handing)
    # Downwards: between two changes of hands no module is left and entered again.
    for stack in path.stacks:
        own = [module for module in stack if module not in RUNNERS]
        entered = [module for at, module in enumerate(own) if own[at - 1 : at] != [module]]
        assert len(entered) == len(set(entered)), stack
    # The leaves: one step aside from the way, and back.
    assert len(path.leaves) <= MOST, path.leaves
    page = PAGE.read_text("utf-8")
    missing = [module for module in path.handing if module not in page]
    assert not missing, f"{PAGE.name} does not name them"
