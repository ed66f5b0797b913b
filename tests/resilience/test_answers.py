"""Every request has its answer: at the end of everything, and while what reads is replaced."""

import asyncio
import json
import signal
import time

import pytest
from nats.aio.msg import Msg

from tests.cli.test_commands import Shell
from tests.resilience.test_stop import beside
from tests.support.backend import Backend, Json, connected, email
from tests.support.people import talking
from tests.support.servers import Denizen, freeze


@pytest.mark.slow
async def test_stop_of_everything_answers_accepted_requests(own_denizen: Denizen) -> None:
    async with connected(own_denizen.nats_url) as backend:
        answers: list[bytes] = []
        inbox = backend.client.new_inbox()

        async def note(message: Msg) -> None:
            answers.append(message.data)

        await backend.client.subscribe(f"{inbox}.*", cb=note)
        for number in range(1_000):
            body = json.dumps({"email": email()}).encode()
            await backend.client.publish("users.v1.command.CreateUser", body, reply=f"{inbox}.{number}")
        await backend.client.flush()
        assert await asyncio.to_thread(own_denizen.stop) == 0
        async with asyncio.timeout(5):
            while len(answers) < 1_000:
                await asyncio.sleep(0.02)
    assert all(b'"user"' in answer for answer in answers)


@pytest.mark.slow
async def test_stop_of_one_directory_fails_no_query(own_denizen: Denizen) -> None:
    second = beside(own_denizen, "directory")
    try:
        async with connected(own_denizen.nats_url) as backend:
            created = (await backend.command("CreateUser", {"email": email()})).body
            asking = [asyncio.create_task(ask_for(backend, created, 4)) for _ in range(8)]
            await asyncio.sleep(0)
            second.terminate()
            assert await asyncio.to_thread(second.wait, 20) == 0
            answered = sum(await asyncio.gather(*asking))
        assert answered > 100
    finally:
        second.kill()
        second.wait()


async def ask_for(backend: Backend, created: Json, seconds: float) -> int:
    """Ask for a user again and again, each time with an answer; how often."""
    until, answered = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        at = str(created["position"])
        reply = await backend.query("GetUser", {"userId": created["user"]["id"]}, Denizen_Min_Position=at)
        assert reply.code == "", reply.data
        answered += 1
    return answered


@pytest.mark.slow
@pytest.mark.parametrize("child", ["directory", "projector", "relay"])
async def test_killed_followers_follow_the_log_again(own_denizen: Denizen, child: str) -> None:
    """Commands would go on without them: it takes a query and an event to see that they are back."""
    async with connected(own_denizen.nats_url) as backend:
        for _ in range(3):
            own_denizen.kill(child)
            events = await backend.client.subscribe("users.v1.event.UserCreated.*")
            created = (await backend.command("CreateUser", {"email": email()})).body
            user, at = created["user"]["id"], str(created["position"])
            found = await backend.insist("users.v1.query.GetUser", {"userId": user}, 10, Denizen_Min_Position=at)
            assert found.body["id"] == user
            async with asyncio.timeout(10):
                while (await events.next_msg(timeout=10)).subject.rpartition(".")[2] != user:
                    pass
            await events.unsubscribe()


@pytest.mark.embedded
@pytest.mark.slow
async def test_self_query_never_says_user_not_found(own_denizen: Denizen) -> None:
    """The user has just signed in, and the projections have not read of them yet."""
    async with talking(own_denizen) as talk:
        known = await talk.member()
        await talk.fresh(known)
        freeze(own_denizen.pids()["projector"])
        token = (await talk.sign_in(await talk.member()))["accessToken"]
        known_token = (await talk.sign_in(known))["accessToken"]
        asking = ("GetMe", "ListIdentities", "GetLoginHistory")
        there = await asyncio.gather(*(talk.self(known_token, name) for name in asking))
        assert [reply.code for reply in there] == [""] * 3, "a known user does not wait for the new session"
        behind = await asyncio.gather(*(talk.self(token, name) for name in asking))
        assert [reply.code for reply in behind] == ["stale_read"] * 3
        waiting = [asyncio.create_task(talk.self(token, name)) for name in asking]
        await asyncio.sleep(0)
        own_denizen.kill("projector", signal.SIGCONT)
        assert [reply.code for reply in await asyncio.gather(*waiting)] == [""] * 3


@pytest.mark.embedded
@pytest.mark.slow
async def test_command_line_never_misses_what_an_earlier_command_wrote(own_denizen: Denizen) -> None:
    shell = Shell(own_denizen.home)
    freeze(own_denizen.pids()["projector"])
    user = shell.json("users", "create", "--email", email())
    code, out, err = shell.run("users", "get", user["id"])
    assert (code, out) == (1, "")
    assert "stale_read" in err
    own_denizen.kill("projector", signal.SIGCONT)
    assert shell.json("users", "get", user["id"])["email"] == user["email"]
