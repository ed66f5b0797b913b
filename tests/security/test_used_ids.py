"""Another request under a used command id is refused, and learns nothing of the first (threat 36)."""

import asyncio
import base64

import pytest
from denizen.sealing import seal

from services.accounts.guessing.rate_limits import _CODES  # pyright: ignore[reportPrivateUsage]
from tests.support.backend import Json, Reply, email
from tests.support.people import PASSWORD, Postbox, Talk, sql, talking
from tests.support.servers import Denizen

OTHER = "another good one 77"
USED = {
    "code": "validation_failed",
    "message": "this command id was used for another request",
    "field": "Nats-Msg-Id",
}


def refused(reply: Reply) -> bool:
    """Whether it says so, and nothing else."""
    return reply.body == {"error": USED} and reply.headers["Nats-Service-Error-Code"] == "422"


async def test_create_user_under_a_used_id_is_refused(talk: Talk) -> None:
    key, address = email(), email()
    first = await talk.command("CreateUser", {"email": address}, Nats_Msg_Id=key)
    assert refused(await talk.command("CreateUser", {"email": email()}, Nats_Msg_Id=key))
    assert refused(await talk.command("CreateUser", {"email": address, "emailVerified": True}, Nats_Msg_Id=key))
    assert (await talk.command("CreateUser", {"email": address}, Nats_Msg_Id=key)).data == first.data


async def test_kept_refusal_under_a_used_id_is_refused_alike(talk: Talk) -> None:
    user, key = await talk.create(), email()
    taken = {"email": user["email"]}
    assert (await talk.command("CreateUser", taken, Nats_Msg_Id=key)).code == "email_taken"
    assert refused(await talk.command("CreateUser", {"email": email()}, Nats_Msg_Id=key))
    assert (await talk.command("CreateUser", taken, Nats_Msg_Id=key)).code == "email_taken"


async def test_concurrent_requests_of_one_id_leave_one(talk: Talk) -> None:
    key = email()
    bodies = [{"email": email()} for _ in range(20)]
    replies = await asyncio.gather(*(talk.command("CreateUser", body, Nats_Msg_Id=key) for body in bodies * 2))
    won = [index for index, reply in enumerate(replies) if not reply.code]
    assert len(won) == 2, "one body, twice"
    assert won[1] - won[0] == len(bodies)
    assert all(refused(reply) for index, reply in enumerate(replies) if index not in won)


async def test_register_under_a_used_id_shows_nothing_of_the_first(talk: Talk, front: Talk) -> None:
    key, address = email(), email()
    body: Json = {"email": address, "password": PASSWORD, "profile": {"firstName": "Ada"}}
    first = await front.public("Register", body, Nats_Msg_Id=key)
    others: list[Json] = [
        {**body, "password": OTHER},
        {**body, "profile": {}},
        {**body, "email": address.upper()},
        {"email": email(), "password": OTHER},
    ]
    for other in others:
        assert refused(await front.public("Register", other, Nats_Msg_Id=key)), other
    again = await front.public("Register", body, Nats_Msg_Id=key)
    assert again.body["user"] == first.body["user"]


async def test_register_under_the_id_of_an_erased_user_shows_nothing(talk: Talk, front: Talk) -> None:
    key, body = email(), {"email": email(), "password": PASSWORD}
    first = await front.public("Register", body, Nats_Msg_Id=key)
    await talk.done("DeleteUser", {"userId": first.body["user"]["id"]})
    assert refused(await front.public("Register", {**body, "email": email()}, Nats_Msg_Id=key))
    assert refused(await front.public("Register", body, Nats_Msg_Id=key))


async def test_register_under_a_used_id_is_no_unlimited_guess(front: Talk) -> None:
    key, body = email(), {"email": email(), "password": PASSWORD}
    await front.public("Register", body, Nats_Msg_Id=key)
    guesses = [{**body, "password": f"wrong but long {number}"} for number in range(_CODES.burst + 1)]
    codes = [(await front.public("Register", guess, Nats_Msg_Id=key)).code for guess in guesses]
    assert codes == ["validation_failed"] * _CODES.burst + ["too_many_attempts"]


async def test_resealed_secret_is_the_same_request(talk: Talk) -> None:
    found = (await talk.query("GetSealingKey", {})).body
    public_key = base64.urlsafe_b64decode(f"{found['publicKey']}=")
    key, address = email(), email()

    def sealed(secret: str) -> Json:
        return {"email": address, "password": seal(secret, key, found["keyId"], public_key)}

    first = await talk.command("CreateUser", sealed(PASSWORD), Nats_Msg_Id=key)
    again = await talk.command("CreateUser", sealed(PASSWORD), Nats_Msg_Id=key)
    plain = await talk.command("CreateUser", {"email": address, "password": PASSWORD}, Nats_Msg_Id=key)
    assert first.code == ""
    assert first.data == again.data == plain.data
    assert refused(await talk.command("CreateUser", sealed(OTHER), Nats_Msg_Id=key))


@pytest.mark.parametrize("other", ["ip", "userAgent", "another user"])
async def test_authenticate_under_a_used_id_is_refused(talk: Talk, other: str) -> None:
    user, stranger, key = await talk.member(), await talk.member(), email()
    login = {"email": user["email"], "password": PASSWORD, "ip": "192.0.2.7"}
    first = await talk.command("Authenticate", login, Nats_Msg_Id=key)
    changed = {
        "ip": {**login, "ip": "192.0.2.8"},
        "userAgent": {**login, "userAgent": "Firefox"},
        "another user": {**login, "email": stranger["email"]},
    }[other]
    assert refused(await talk.command("Authenticate", changed, Nats_Msg_Id=key))
    assert (await talk.command("Authenticate", login, Nats_Msg_Id=key)).body["sessionId"] == first.body["sessionId"]
    # A wrong password learns nothing of the id.
    guess = {**changed, "password": OTHER}
    assert (await talk.command("Authenticate", guess, Nats_Msg_Id=key)).code == "invalid_credentials"


async def test_refresh_under_a_used_id_is_refused(talk: Talk) -> None:
    user, key = await talk.member(), email()
    one, other = await talk.sign_in(user), await talk.sign_in(user)
    asked = {"refreshToken": one["refreshToken"]}
    first = (await talk.command("RefreshSession", asked, Nats_Msg_Id=key)).body
    assert refused(await talk.command("RefreshSession", {"refreshToken": other["refreshToken"]}, Nats_Msg_Id=key))
    assert refused(await talk.command("RefreshSession", {"refreshToken": first["refreshToken"]}, Nats_Msg_Id=key))
    assert [await talk.alive(each) for each in (first, other)] == [True, True], "nothing was done"
    another = {"refreshToken": (await talk.sign_in(user))["refreshToken"]}
    assert not (await talk.command("RefreshSession", another)).code
    assert refused(await talk.command("RefreshSession", another, Nats_Msg_Id=key)), "though within the grace"
    again = (await talk.command("RefreshSession", asked, Nats_Msg_Id=key)).body
    assert again["refreshToken"] == first["refreshToken"]
    assert refused(await talk.command("BlockUser", {"userId": user["id"]}, Nats_Msg_Id=key))
    login = {"email": user["email"], "password": PASSWORD}
    assert refused(await talk.command("Authenticate", login, Nats_Msg_Id=key))


async def test_concurrent_refreshes_under_one_id_leave_one(talk: Talk) -> None:
    user, key = await talk.member(), email()
    tokens = [(await talk.sign_in(user))["refreshToken"] for _ in range(2)]
    asked = [talk.command("RefreshSession", {"refreshToken": token}, Nats_Msg_Id=key) for token in tokens * 3]
    replies = await asyncio.gather(*asked)
    assert sum(not reply.code for reply in replies) == 3
    assert sum(refused(reply) for reply in replies if reply.code) == 3


async def test_own_commands_under_a_used_id_are_refused(talk: Talk, front: Talk) -> None:
    user, stranger, key = await talk.member(), await talk.member(), email()
    token, foreign = [(await talk.sign_in(each))["accessToken"] for each in (user, stranger)]
    await front.self(token, "UpdateUser", {"metadata": {"a": 1}}, Nats_Msg_Id=key)
    assert refused(await front.self(token, "UpdateUser", {"metadata": {"a": 2}}, Nats_Msg_Id=key))
    link = {"provider": "github", "providerId": email(), "accessToken": "gho_1"}
    assert not (await front.self(token, "LinkIdentity", link, Nats_Msg_Id=key)).code
    assert not (await front.self(token, "LinkIdentity", {**link, "accessToken": "gho_2"}, Nats_Msg_Id=key)).code
    assert refused(await front.self(token, "LinkIdentity", {**link, "providerId": email()}, Nats_Msg_Id=key))
    # Ids are each user's own.
    assert not (await front.self(foreign, "UpdateUser", {"metadata": {"a": 2}}, Nats_Msg_Id=key)).code


async def test_id_from_the_version_before_is_repeated(talk: Talk, denizen: Denizen) -> None:
    """Its outcome has no digest."""
    key, address = email(), email()
    first = await talk.command("CreateUser", {"email": address}, Nats_Msg_Id=key)
    sql(denizen, "update commands set digest = null where command_id = %s", key)
    assert (await talk.command("CreateUser", {"email": email()}, Nats_Msg_Id=key)).data == first.data


async def test_codes_under_a_used_id_are_refused(talk: Talk, front: Talk, post: Postbox) -> None:
    user, key = await talk.create(), email()
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    code = await post.code(user["email"])
    body = {"userId": user["id"], "code": code}
    first = await front.public("VerifyEmail", body, Nats_Msg_Id=key)
    assert first.body["user"]["emailVerified"]
    wrong = {**body, "code": f"{(int(code) + 1) % 1_000_000:06d}"}
    assert refused(await front.public("VerifyEmail", wrong, Nats_Msg_Id=key))
    assert (await front.public("VerifyEmail", body, Nats_Msg_Id=key)).body["user"] == first.body["user"]


def new_job() -> str:
    return email().partition("@")[0]


def rows() -> Json:
    return {"users": [{"email": email()}]}


@pytest.mark.parametrize("name", ["CreateUser", "Authenticate", "RefreshSession", "a chunk"])
async def test_import_and_another_command_under_one_id_leave_one(talk: Talk, name: str) -> None:
    user = await talk.member()
    bodies: dict[str, Json] = {
        "CreateUser": {"email": email()},
        "Authenticate": {"email": user["email"], "password": PASSWORD},
        "RefreshSession": {"refreshToken": (await talk.sign_in(user))["refreshToken"]},
        "a chunk": {**rows(), "importId": new_job(), "chunk": 0},
    }
    other = "ImportUsers" if name == "a chunk" else name
    first, second, users = email(), email(), rows()
    imported = await talk.command("ImportUsers", users, Nats_Msg_Id=first)
    assert refused(await talk.command(other, bodies[name], Nats_Msg_Id=first))
    assert (await talk.command("ImportUsers", users, Nats_Msg_Id=first)).data == imported.data
    assert not (await talk.command(other, bodies[name], Nats_Msg_Id=second)).code
    assert refused(await talk.command("ImportUsers", rows(), Nats_Msg_Id=second))
    assert not (await talk.command(other, bodies[name], Nats_Msg_Id=second)).code


async def test_concurrent_imports_and_commands_of_one_id_leave_one(talk: Talk) -> None:
    for _ in range(5):
        key, users, body = email(), rows(), {"email": email()}
        asked = [talk.command("ImportUsers", users, Nats_Msg_Id=key), talk.command("CreateUser", body, Nats_Msg_Id=key)]
        replies = await asyncio.gather(*asked)
        assert [refused(reply) for reply in replies] in ([True, False], [False, True])


async def test_two_chunks_under_one_id_leave_one(talk: Talk) -> None:
    key, chunk = email(), {**rows(), "importId": new_job(), "chunk": 0}
    first = await talk.command("ImportUsers", chunk, Nats_Msg_Id=key)
    assert refused(await talk.command("ImportUsers", {**chunk, "chunk": 1}, Nats_Msg_Id=key))
    assert refused(await talk.command("ImportUsers", {**chunk, "importId": new_job()}, Nats_Msg_Id=key))
    assert (await talk.command("ImportUsers", chunk, Nats_Msg_Id=key)).data == first.data
    # A client that begins again has another id for the same chunk.
    assert (await talk.command("ImportUsers", chunk, Nats_Msg_Id=email())).data == first.data


async def test_two_undos_under_one_id_leave_one(talk: Talk, denizen: Denizen) -> None:
    key, job = email(), new_job()
    imported = await talk.done("ImportUsers", {**rows(), "importId": job, "chunk": 0})
    async with talking(denizen, "operator") as operator:
        assert not (await operator.command("UndoImport", {"importId": new_job()}, Nats_Msg_Id=key)).code
        assert refused(await operator.command("UndoImport", {"importId": job}, Nats_Msg_Id=key))
    assert refused(await talk.command("CreateUser", {"email": email()}, Nats_Msg_Id=key))
    user_id = imported["results"][0]["userId"]
    assert not (await talk.query("GetUser", {"userId": user_id}, Denizen_Min_Position="latest")).code


async def test_command_under_the_id_of_a_refused_row_is_no_repeat(talk: Talk) -> None:
    key, user = email(), await talk.create()
    await talk.command("ImportUsers", {"users": [{"email": user["email"]}]}, Nats_Msg_Id=key)
    assert refused(await talk.command("CreateUser", {"email": user["email"]}, Nats_Msg_Id=f"{key}/0"))
