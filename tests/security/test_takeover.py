"""An attacker who knows an address, an id or an old session learns nothing and takes nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import bcrypt
import psycopg
import pytest
from denizen.revocations import Watch

from services.accounts.answers import FLOOR_SECONDS
from tests.support import log
from tests.support.backend import Json, Reply, email
from tests.support.people import PASSWORD, Postbox, Talk, sql, talking
from tests.support.servers import Denizen
from tests.support.tokens import session_id

NEW = "another good one 77"


# --- ids of commands ----------------------------------------------------------------------------------------------


async def test_address_with_a_used_id_shows_no_user(talk: Talk, front: Talk) -> None:
    user = await talk.member()
    key = email()
    assert (await front.public("SendPasswordResetEmail", {"email": user["email"]}, Nats_Msg_Id=key)).body == {}
    for name, body in (
        ("ConfirmPasswordReset", {"token": "rubbish", "password": NEW}),
        ("VerifyEmail", {"userId": user["id"], "code": "123456"}),
        ("SendVerificationEmail", {"userId": user["id"]}),
        ("RefreshSession", {"refreshToken": "x"}),
        ("Authenticate", {"email": user["email"], "password": NEW}),
    ):
        reply = await front.public(name, body, Nats_Msg_Id=key)
        assert reply.code, name
        assert user["email"].encode() not in reply.data


async def test_used_command_id_does_not_make_a_block_succeed(talk: Talk) -> None:
    user, other = await talk.member(), await talk.member()
    key = email()
    await talk.done("UpdateUser", {"userId": user["id"], "metadata": {"a": 1}}, Nats_Msg_Id=key)
    assert (await talk.command("BlockUser", {"userId": user["id"]}, Nats_Msg_Id=key)).code == "validation_failed"
    update = {"userId": other["id"], "metadata": {"a": 1}}
    assert (await talk.command("UpdateUser", update, Nats_Msg_Id=key)).code == "validation_failed"
    reset = {"token": "rubbish", "password": NEW}
    assert (await talk.command("ConfirmPasswordReset", reset, Nats_Msg_Id=key)).code == "validation_failed"
    assert (await talk.fresh(user))["status"] == "ACTIVE"
    await talk.done("UpdateUser", {"userId": user["id"], "metadata": {"a": 1}}, Nats_Msg_Id=key)


async def test_repeated_command_id_does_not_reveal_an_account(talk: Talk, front: Talk, post: Postbox) -> None:
    user, unknown = await talk.member(), email()
    answers: list[list[str]] = []
    for address in (user["email"], unknown):
        body, key = {"email": address}, email()
        answers.append(
            [(await front.public("SendPasswordResetEmail", body, Nats_Msg_Id=key)).data.decode() for _ in range(7)]
        )
    assert answers[0] == answers[1]
    assert answers[0] == ["{}"] * 7, "the first reply, and no mail is counted for a repeat"
    # Nor does a mail of one's own, asked for under the same id: it is refused in both cases, and does not come.
    mine, known = await talk.member(), await talk.member()
    for address in (known["email"], email()):
        key = email()
        await front.public("SendPasswordResetEmail", {"email": address}, Nats_Msg_Id=key)
        other = await front.public("SendPasswordResetEmail", {"email": mine["email"]}, Nats_Msg_Id=key)
        assert other.body["error"]["message"] == "this command id was used for another request"
    assert not (await front.public("SendPasswordResetEmail", {"email": mine["email"]})).code
    assert len(await post.mails(mine["email"], "new password")) == 1
    assert len(await post.mails(user["email"], "new password")) == 1, "a repeat sends no second one"


# --- what a request without proof learns --------------------------------------------------------------------------


async def test_request_for_a_code_does_not_show_the_user(talk: Talk, front: Talk, post: Postbox) -> None:
    user = await talk.create(profile={"firstName": "Ada"}, appMetadata={"plan": "secret"})
    key = email()
    for _ in range(2):
        assert (await front.public("SendVerificationEmail", {"userId": user["id"]}, Nats_Msg_Id=key)).body == {}
    code = await post.code(user["email"])
    assert len(await post.mails(user["email"], "verification code")) == 1
    assert (await front.public("VerifyEmail", {"userId": user["id"], "code": code})).body["user"]["id"] == user["id"]
    assert (await talk.command("SendVerificationEmail", {"userId": user["id"]})).code == "invalid_transition"


async def test_front_end_sets_no_actor(talk: Talk, front: Talk) -> None:
    address = email()
    registered = await front.public("Register", {"email": address, "password": PASSWORD}, Denizen_Actor="admin")
    at = str(registered.body["position"])
    history = await talk.query("GetUserHistory", {"userId": registered.body["user"]["id"]}, Denizen_Min_Position=at)
    assert [each["actor"] for each in history.body["data"]] == [None]


def deadline(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_deadline_does_not_reveal_an_account(talk: Talk, front: Talk) -> None:
    """It passes while the password is compared: with a hash that takes long, for whom there is one."""
    slow = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode()
    user = await talk.create(passwordHash=slow, emailVerified=True)

    async def guess(number: int) -> tuple[Reply, bool]:
        """An attempt, and whether it was refused before anything was compared: such answers do not wait."""
        began = time.monotonic()
        body = {"email": user["email"], "password": NEW, "ip": f"2001:db8:77:{number:x}::1"}
        reply = await front.public("Authenticate", body, Denizen_Deadline=deadline(0.1 + 0.01 * number))
        early = time.monotonic() - began < FLOOR_SECONDS or b"turn came" in reply.data
        return reply, early and reply.code == "deadline_exceeded"

    reply, early = await guess(0)
    for number in range(1, 20):
        if early:
            reply, early = await guess(number)
    assert reply.code == "invalid_credentials"


@contextmanager
def locked(denizen: Denizen, table: str) -> Generator[Callable[[], Awaitable[None]]]:
    """Hold a table back; what is given waits until a statement stands before it."""
    with psycopg.connect(denizen.database_url, options="-c search_path=denizen") as owner:
        owner.execute(f"lock table {table} in access exclusive mode".encode())

        async def stand() -> bool:
            query = "select from pg_stat_activity where wait_event_type = 'Lock' and query like %s"
            with psycopg.connect(denizen.database_url) as other:
                return other.execute(query, [f"%{table}%"]).fetchone() is not None

        async def waited_for() -> None:
            await log.until(stand, f"a process waits for {table}")

        yield waited_for


async def test_deadline_during_the_look_up_does_not_reveal_an_account(
    talk: Talk, front: Talk, denizen: Denizen
) -> None:
    user = await talk.member()
    replies: list[Reply] = []
    for address in (user["email"], email()):
        with locked(denizen, "claims") as waited_for:
            until = time.time() + 0.5
            sending = asyncio.create_task(
                front.public("SendPasswordResetEmail", {"email": address}, Denizen_Deadline=deadline(0.5))
            )
            await waited_for()
            await asyncio.sleep(max(until - time.time(), 0) + 0.01)
        replies.append(await sending)
    assert [reply.data for reply in replies] == [b"{}", b"{}"]


# --- a stolen session ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["ConfirmPasswordReset", "ResetPassword", "ChangePassword", "BlockUser"])
async def test_block_or_new_password_voids_the_code_of_a_new_address(
    talk: Talk, front: Talk, post: Postbox, end: str
) -> None:
    user = await talk.member()
    token, evil = (await talk.sign_in(user))["accessToken"], email()
    assert not (await front.self(token, "ChangeEmail", {"email": evil, "currentPassword": PASSWORD})).code
    code = await post.code(evil)
    body: dict[str, Json] = {
        "ResetPassword": {"userId": user["id"], "password": NEW},
        "ChangePassword": {"userId": user["id"], "currentPassword": PASSWORD, "newPassword": NEW},
        "BlockUser": {"userId": user["id"]},
    }
    if end == "ConfirmPasswordReset":
        await front.public("SendPasswordResetEmail", {"email": user["email"]})
        body[end] = {"token": await post.token(user["email"]), "password": NEW}
    await talk.done(end, body[end])
    assert (await front.public("VerifyEmail", {"userId": user["id"], "code": code})).code == "code_invalid"
    assert (await front.public("SendVerificationEmail", {"userId": user["id"]})).code == "invalid_transition"
    assert (await talk.fresh(user))["email"] == user["email"]


@pytest.mark.parametrize("end", ["BlockUser", "RevokeSessions"])
@pytest.mark.parametrize("change", ["ChangeEmail", "ChangePassword"])
async def test_session_that_ends_while_a_password_waits_is_refused(
    talk: Talk, front: Talk, denizen: Denizen, change: str, end: str
) -> None:
    user = await talk.member()
    token = (await talk.sign_in(user))["accessToken"]
    body = {"currentPassword": PASSWORD} | ({"email": email()} if change == "ChangeEmail" else {"newPassword": NEW})
    with locked(denizen, "throttles") as waited_for:
        changing = asyncio.create_task(front.self(token, change, body))
        await waited_for()
        await talk.done(end, {"userId": user["id"]})
    assert (await changing).code == "token_invalid"
    assert (await talk.fresh(user))["version"] == (2 if end == "BlockUser" else 1)


@pytest.mark.parametrize("end", ["LogOut", "RefreshSession", "RevokeSessions"])
async def test_replayed_login_begins_no_second_session(talk: Talk, front: Talk, end: str) -> None:
    user, key = await talk.member(), email()
    login = {"email": user["email"], "password": PASSWORD}
    first = (await front.public("Authenticate", login, Nats_Msg_Id=key)).body
    assert (await front.public("Authenticate", login, Nats_Msg_Id=key)).body["sessionId"] == first["sessionId"]
    match end:
        case "LogOut":
            await front.self(first["accessToken"], end)
        case "RefreshSession":
            await front.public(end, {"refreshToken": first["refreshToken"]}, Nats_Msg_Id=key)
        case _:
            await talk.done(end, {"userId": user["id"]})
    assert (await front.public("Authenticate", login, Nats_Msg_Id=key)).code == "invalid_credentials"
    alive = (await talk.query("ListSessions", {"userId": user["id"]})).body["data"]
    assert [each["id"] for each in alive] == ([first["sessionId"]] if end == "RefreshSession" else [])
    assert (await talk.fresh(user))["loginCount"] == 1
    assert await talk.alive((await front.public("Authenticate", login, Nats_Msg_Id=email())).body)


GUARDED = ("DeleteUser", "LinkIdentity", "UnlinkIdentity")
"""What a stolen access token must not do."""


async def signed_in_long_ago(talk: Talk, denizen: Denizen) -> tuple[Json, str]:
    """A user with an identity, and the access token of a session that began before the time that counts as recent."""
    user = await talk.member()
    await talk.done("LinkIdentity", {"userId": user["id"], "provider": "google", "providerId": user["id"]})
    session = await talk.sign_in(user)
    earlier = "update sessions set created_at = created_at - interval '11 min' where session_id = %s"
    sql(denizen, earlier, session["sessionId"])
    return user, (await talk.done("RefreshSession", {"refreshToken": session["refreshToken"]}))["accessToken"]


def guarded(name: str, user: Json) -> Json:
    """Its body. The identity that is unlinked is one that the user has."""
    if name == "DeleteUser":
        return {}
    return {"provider": "google", "providerId": user["id"] if name == "UnlinkIdentity" else email()}


@pytest.mark.parametrize("name", GUARDED)
async def test_stolen_access_token_needs_the_password(talk: Talk, front: Talk, denizen: Denizen, name: str) -> None:
    """A refresh makes no session recent: the thief may have the refresh token, too."""
    user, token = await signed_in_long_ago(talk, denizen)
    body = guarded(name, user)
    before = await talk.fresh(user)
    error = (await front.self(token, name, body)).body["error"]
    assert (error["code"], error["field"]) == ("forbidden", "currentPassword")
    assert "sign in again" in error["message"]
    wrong = (await front.self(token, name, {**body, "currentPassword": "not the password"})).body["error"]
    assert (wrong["code"], wrong["field"]) == ("invalid_credentials", "currentPassword")
    assert await talk.fresh(user) == before
    key = email()
    done = await front.self(token, name, {**body, "currentPassword": PASSWORD}, Nats_Msg_Id=key)
    assert not done.code, done.data
    if name != "DeleteUser":
        again = await front.self(token, name, {**body, "currentPassword": PASSWORD}, Nats_Msg_Id=key)
        assert again.body["user"] == done.body["user"], "a repeat proves nothing new"


@pytest.mark.parametrize("name", GUARDED)
async def test_recent_sign_in_needs_no_password_but_refuses_a_wrong_one(talk: Talk, front: Talk, name: str) -> None:
    user = await talk.member()
    await talk.done("LinkIdentity", {"userId": user["id"], "provider": "google", "providerId": user["id"]})
    token = (await talk.sign_in(user))["accessToken"]
    body = guarded(name, user)
    wrong = await front.self(token, name, {**body, "currentPassword": "not the password"})
    assert wrong.code == "invalid_credentials"
    assert not (await front.self(token, name, body)).code


async def test_guarded_request_does_not_allow_more_guesses(talk: Talk, front: Talk, denizen: Denizen) -> None:
    _, token = await signed_in_long_ago(talk, denizen)
    body = {"currentPassword": "not the password"}
    codes = [(await front.self(token, "DeleteUser", body)).code for _ in range(6)]
    assert codes == ["invalid_credentials"] * 5 + ["too_many_attempts"]


async def test_guarded_request_of_an_ended_session_is_refused(talk: Talk, front: Talk, denizen: Denizen) -> None:
    user, token = await signed_in_long_ago(talk, denizen)
    with locked(denizen, "throttles") as waited_for:
        deleting = asyncio.create_task(front.self(token, "DeleteUser", {"currentPassword": PASSWORD}))
        await waited_for()
        await talk.done("RevokeSessions", {"userId": user["id"]})
    assert (await deleting).code == "token_invalid"
    assert (await talk.fresh(user))["id"] == user["id"]


@pytest.mark.embedded
async def test_recent_sign_in_setting_of_zero_asks_for_none(other_settings: Denizen) -> None:
    async with talking(other_settings) as talk, talking(other_settings, "frontend") as front:
        _, token = await signed_in_long_ago(talk, other_settings)
        assert not (await front.self(token, "DeleteUser")).code


async def test_self_change_email_is_limited_for_strangers_addresses(talk: Talk, front: Talk) -> None:
    user, other = await talk.member(), await talk.member()
    token = (await talk.sign_in(user))["accessToken"]

    async def want(address: str) -> str:
        return (await front.self(token, "ChangeEmail", {"email": address, "currentPassword": PASSWORD})).code

    assert [await want(other["email"]) for _ in range(2)] == ["email_taken"] * 2
    assert [await want(email()) for _ in range(3)] == [""] * 3
    assert [await want(each) for each in (email(), other["email"])] == ["too_many_attempts"] * 2
    assert not (await talk.command("ChangeEmail", {"userId": user["id"], "email": email()})).code, "a back end may"


async def test_invented_session_reaches_no_verifier(talk: Talk, front: Talk, denizen: Denizen) -> None:
    user = await talk.member()
    mine, other = await talk.sign_in(user), await talk.sign_in(user)
    invented, key = [session_id() for _ in range(3)], email()
    for each in invented[:2]:
        assert not (await front.self(mine["accessToken"], "RevokeSession", {"sessionId": each})).code
    for _ in range(2):
        await talk.done("RevokeSession", {"userId": user["id"], "sessionId": invented[2]}, Nats_Msg_Id=key)
    await talk.done("RevokeSession", {"userId": user["id"], "sessionId": other["sessionId"]})
    watch = Watch()
    async with talking(denizen, "subscriber") as subscriber:
        await watch.prove(subscriber.client, 5)
    assert watch.table.get(f"session.{other['sessionId']}") == 0
    assert [watch.table.get(f"session.{each}") for each in invented] == [-1] * 3


async def test_address_as_password_is_refused(talk: Talk, post: Postbox) -> None:
    user = await talk.member()
    address = user["email"].upper()
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    token = await post.token(user["email"])
    for name, body in (
        ("ChangePassword", {"userId": user["id"], "currentPassword": PASSWORD, "newPassword": address}),
        ("ResetPassword", {"userId": user["id"], "password": address}),
        ("ConfirmPasswordReset", {"token": token, "password": address}),
    ):
        assert (await talk.command(name, body)).code == "weak_password", name


# --- the discreet setting -----------------------------------------------------------------------------------------


async def test_discreet_setting_reveals_no_account(other_settings: Denizen) -> None:
    post = Postbox(other_settings)
    async with talking(other_settings) as talk, talking(other_settings, "frontend") as front:
        user, thief = await talk.member(), await talk.member()
        free = email()

        # By signing in with what one registered just now.
        tried: list[list[str]] = []
        for address in (free, user["email"]):
            body = {"email": address, "password": NEW}
            assert (await front.public("Register", body)).body == {}
            login = {**body, "ip": "192.0.2.7"}
            tried.append([(await front.public("Authenticate", login)).data.decode() for _ in range(6)])
        assert tried[0] == tried[1]
        assert ["invalid_credentials" in each for each in tried[0]] == [True] * 5 + [False]
        found = (await talk.query("GetUserByEmail", {"email": free})).body
        assert not (await front.public("VerifyEmail", {"userId": found["id"], "code": await post.code(free)})).code
        assert await talk.alive(await talk.sign_in(found, NEW, ip="192.0.2.8"))

        # By wanting it.
        token = (await talk.sign_in(thief))["accessToken"]
        wanted = email()
        answers: list[Json] = []
        for address in (wanted, user["email"]):
            body = {"email": address, "currentPassword": PASSWORD}
            answers.append((await front.self(token, "ChangeEmail", body)).body)
        assert [answer["version"] for answer in answers] == [2, 3]
        assert [answer["user"]["email"] for answer in answers] == [thief["email"]] * 2
        assert len(await post.mails(wanted, "verification code")) == 1
        assert (await front.public("SendVerificationEmail", {"userId": thief["id"]})).body == {}
        await front.public("SendPasswordResetEmail", {"email": thief["email"]})
        await post.mails(thief["email"], "new password")  # Whatever was to be sent before it is there.
        assert [mail["Subject"] for mail in await post.mails(user["email"], "", 0)] == [
            mail["Subject"] for mail in await post.mails(user["email"], "account")
        ], "that the user is registered: the code for the address is not mailed"
        assert len(await post.mails(user["email"], "account")) == 1
        assert (await talk.fresh(user))["version"] == 1
