"""Which users get in and for how long, from a plain NATS client that knows only the contract."""

import asyncio

import pytest
from denizen.sealing import seal

from tests.support.backend import Json, Reply, email
from tests.support.people import PASSWORD, Postbox, Talk, sql
from tests.support.servers import Denizen

NEW = "another good one 77"


# --- from registration to the login history -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["command", "public"])
async def test_sign_in_token_and_refresh_work(talk: Talk, front: Talk, post: Postbox, kind: str) -> None:
    asked = talk.command if kind == "command" else front.public
    address = email()
    registered = await asked("Register", {"email": address, "password": PASSWORD, "profile": {"firstName": "Ada"}})
    user = registered.body["user"]
    assert (user["status"], user["emailVerified"]) == ("PENDING_VERIFICATION", False)
    login = {"email": address.upper(), "password": PASSWORD, "ip": "192.0.2.7", "userAgent": "Firefox"}
    early = await asked("Authenticate", login)
    assert (early.code, early.body["error"]["details"]) == ("email_not_verified", [{"userId": user["id"]}])

    sent = await asked("SendVerificationEmail", {"userId": user["id"]})
    assert sent.body["user"]["status"] == "PENDING_VERIFICATION" if kind == "command" else sent.body == {}
    code = await post.code(address)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    assert (await asked("VerifyEmail", {"userId": user["id"], "code": wrong})).code == "code_invalid"
    verified = await asked("VerifyEmail", {"userId": user["id"], "code": code})
    assert (verified.body["user"]["status"], verified.body["user"]["emailVerified"]) == ("ACTIVE", True)
    assert (await asked("VerifyEmail", {"userId": user["id"], "code": code})).code == "code_invalid", "once"
    assert (await asked("SendVerificationEmail", {"userId": user["id"]})).code == "invalid_transition"

    assert (await asked("Authenticate", {**login, "password": "not the password"})).code == "invalid_credentials"
    entered = await asked("Authenticate", login)
    session = entered.body
    assert set(session) == {"accessToken", "refreshToken", "expiresIn", "sessionId", "user"}
    assert (session["expiresIn"], session["user"]["id"]) == (300, user["id"])
    position = entered.headers["Denizen-Position"]

    facts = (await talk.query("VerifyToken", {"token": session["accessToken"]})).body
    assert (facts["userId"], facts["sessionId"]) == (user["id"], session["sessionId"])
    shown = (await talk.query("GetUser", {"userId": user["id"]}, Denizen_Min_Position=position)).body
    assert (shown["loginCount"], shown["lastLoginIp"]) == (1, "192.0.2.7"), "refused logins do not count"
    history = await talk.history(user, position)
    assert [each["outcome"] for each in history["data"]] == ["succeeded", "invalid_credentials", "email_not_verified"]
    assert shown["lastLoginAt"] == history["data"][0]["time"]
    assert {(each["ip"], each["userAgent"]) for each in history["data"]} == {("192.0.2.7", "Firefox")}
    assert history["nextCursor"] is None


async def test_login_history_is_paged(talk: Talk) -> None:
    user = await talk.member()
    position = 0
    for number in range(5):
        await talk.refused(user, "not the password", ip=f"192.0.2.{number}")
        reply = await talk.command("Authenticate", {"email": user["email"], "password": PASSWORD})
        position = int(reply.headers["Denizen-Position"])
    everything = (await talk.history(user, position))["data"]
    assert [each["outcome"] for each in everything] == ["succeeded", "invalid_credentials"] * 5
    assert sorted((each["time"] for each in everything), reverse=True) == [each["time"] for each in everything]
    pages: list[Json] = []
    cursor: dict[str, str] = {}
    while True:
        page = await talk.history(user, position, count=4, **cursor)
        pages.append(page["data"])
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert (await talk.history(user, position, cursor="9" * 19))["data"] == everything
    assert (await talk.history(user, position, cursor="0"))["data"] == []
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [each for page in pages for each in page] == everything
    assert (await talk.fresh(user))["loginCount"] == 5


async def test_front_end_serves_a_user_from_registration_to_deletion(talk: Talk, front: Talk, post: Postbox) -> None:
    """All by subjects that NATS lets a front end publish to."""
    address = email()
    user = (await front.public("Register", {"email": address, "password": PASSWORD})).body["user"]
    await front.public("SendVerificationEmail", {"userId": user["id"]})
    await front.public("VerifyEmail", {"userId": user["id"], "code": await post.code(address)})
    session = (await front.public("Authenticate", {"email": address, "password": PASSWORD, "ip": "192.0.2.1"})).body
    other = (await front.public("Authenticate", {"email": address, "password": PASSWORD})).body
    token = session["accessToken"]

    updated = await front.self(token, "UpdateUser", {"profile": {"firstName": "Ada"}, "metadata": {"theme": "dark"}})
    assert updated.body["user"]["metadata"] == {"theme": "dark"}
    me = (await front.self(token, "GetMe", Denizen_Min_Position=updated.body["position"])).body
    assert (me["id"], me["profile"], me["loginCount"]) == (user["id"], {"firstName": "Ada"}, 2)
    sessions = (await front.self(token, "ListSessions")).body["data"]
    assert [(each["id"], each["current"], each["ip"]) for each in sessions] == [
        (other["sessionId"], False, None),
        (session["sessionId"], True, "192.0.2.1"),
    ]
    assert sessions == [
        {**each, "current": each["id"] == session["sessionId"]}
        for each in (await talk.query("ListSessions", {"userId": user["id"]})).body["data"]
    ]
    history = (await front.self(token, "GetLoginHistory", {"count": 1})).body
    assert (history["data"][0]["outcome"], len(history["data"])) == ("succeeded", 1)
    assert (await front.self(token, "GetLoginHistory", {"cursor": history["nextCursor"]})).body["data"]

    assert not (await front.self(token, "RevokeSession", {"sessionId": other["sessionId"]})).code
    assert (await front.public("RefreshSession", {"refreshToken": other["refreshToken"]})).code == "token_invalid"
    assert not (await front.self(token, "LogOut")).code
    assert (await front.self(token, "GetMe")).code == "token_invalid"

    session = (await front.public("Authenticate", {"email": address, "password": PASSWORD})).body
    gone = await front.self(session["accessToken"], "DeleteUser")
    assert gone.body["userId"] == user["id"]
    assert (await front.public("Authenticate", {"email": address, "password": PASSWORD})).code == "invalid_credentials"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"userAgent": "x" * 593}, (None, "x" * 512)),
        ({"userAgent": "Mozilla/5.0\t(X11)\x1b[31m"}, (None, "Mozilla/5.0 (X11) [31m")),
        ({"ip": "192.0.2.7:51234"}, ("192.0.2.7", None)),
        ({"ip": "[2001:db8::7%eth0]:443", "userAgent": ""}, ("2001:db8::7", "")),
        ({"ip": "unknown"}, (None, None)),
    ],
)
async def test_sign_in_with_an_odd_origin_is_cleaned(
    talk: Talk, front: Talk, written: Json, kept: tuple[str | None, str | None]
) -> None:
    user = await talk.member()
    login = {"email": user["email"], "password": PASSWORD, **written}
    reply = await front.public("Authenticate", login)
    assert not reply.code, reply.data
    (session,) = (await front.self(reply.body["accessToken"], "ListSessions")).body["data"]
    assert (session.get("ip"), session.get("userAgent")) == kept
    (attempt,) = (await talk.history(user, int(await talk.now())))["data"]
    assert (attempt["ip"], attempt["userAgent"]) == kept


async def test_self_request_without_a_token_is_refused(talk: Talk) -> None:
    user = await talk.member()
    session = await talk.sign_in(user)
    for header, code in (
        ({}, "unauthenticated"),
        ({"Authorization": "Basic abc"}, "unauthenticated"),
        ({"Authorization": "Bearer"}, "unauthenticated"),
        ({"Authorization": "Bearer x"}, "token_invalid"),
        ({"Authorization": f"Bearer {session['accessToken']}x"}, "token_invalid"),
        ({"Authorization": f"Bearer {session['refreshToken']}"}, "token_invalid"),
    ):
        for name in ("GetMe", "UpdateUser", "ListSessions", "LogOut", "DeleteUser", "GetLoginHistory"):
            assert (await talk.ask(f"users.v1.self.{name}", {}, **header)).code == code, (name, header)
    assert await talk.alive(session)
    lower = await talk.ask("users.v1.self.GetMe", {}, Authorization=f"bearer {session['accessToken']}")
    assert not lower.code, "the scheme's case does not matter (RFC 9110)"


# --- what ends sessions -------------------------------------------------------------------------------------------

ENDS: dict[str, tuple[Json, str, str]] = {
    "BlockUser": ({}, "UnblockUser", "user_blocked"),
    "DeactivateUser": ({}, "ReactivateUser", "user_deactivated"),
    "DeleteUser": ({}, "", "invalid_credentials"),
    "ChangePassword": ({"currentPassword": PASSWORD, "newPassword": NEW}, "", "invalid_credentials"),
    "ResetPassword": ({"password": NEW}, "", "invalid_credentials"),
    "RevokeSessions": ({}, "", ""),
}
"""By command: the rest of its body, what takes it back, and the code by which the old password is refused after it."""


@pytest.mark.parametrize("command", ENDS)
async def test_block_and_password_changes_end_every_session(talk: Talk, command: str) -> None:
    more, back, refusal = ENDS[command]
    user = await talk.member()
    sessions = [await talk.sign_in(user), await talk.sign_in(user)]
    refreshed = await talk.done("RefreshSession", {"refreshToken": sessions[1]["refreshToken"]})
    assert [await talk.alive(each) for each in (*sessions, refreshed)] == [True] * 3
    await talk.done(command, {"userId": user["id"], **more})
    assert [await talk.alive(each) for each in (*sessions, refreshed)] == [False] * 3
    for each in (sessions[0], refreshed):
        assert (await talk.command("RefreshSession", {"refreshToken": each["refreshToken"]})).code == "token_invalid"
    assert await talk.refused(user) == refusal
    assert await talk.refused(user, "not the password") == "invalid_credentials"
    if back:
        await talk.done(back, {"userId": user["id"]})
        assert [await talk.alive(each) for each in (*sessions, refreshed)] == [False] * 3
        assert await talk.alive(await talk.sign_in(user))
    elif command in ("ChangePassword", "ResetPassword"):
        assert await talk.alive(await talk.sign_in(user, NEW))


async def test_revoke_session_ends_that_session_only(talk: Talk) -> None:
    user = await talk.member()
    one, two = await talk.sign_in(user), await talk.sign_in(user)
    revoke = {"userId": user["id"], "sessionId": one["sessionId"]}
    first = await talk.done("RevokeSession", revoke)
    assert (await talk.done("RevokeSession", revoke))["version"] == first["version"], "harmless where it has ended"
    assert [await talk.alive(each) for each in (one, two)] == [False, True]


@pytest.mark.parametrize("blocked", ["BlockUser", "DeactivateUser"])
async def test_proofs_of_identity_do_not_unblock_a_user(talk: Talk, post: Postbox, blocked: str) -> None:
    user = await talk.member()
    status = (await talk.done(blocked, {"userId": user["id"]}))["user"]["status"]
    reset = await talk.done("ResetPassword", {"userId": user["id"], "password": NEW})
    assert reset["user"]["status"] == status
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    token = await post.token(user["email"])
    recovered = await talk.done("ConfirmPasswordReset", {"token": token, "password": PASSWORD})
    assert recovered["user"]["status"] == status
    changed = await talk.done("ChangePassword", {"userId": user["id"], "currentPassword": PASSWORD, "newPassword": NEW})
    assert changed["user"]["status"] == status
    await talk.done("ChangeEmail", {"userId": user["id"], "email": (address := email())})
    moved = await talk.done("VerifyEmail", {"userId": user["id"], "code": await post.code(address)})
    assert (moved["user"]["status"], moved["user"]["email"]) == (status, address)
    assert await talk.refused(moved["user"], NEW) in ("user_blocked", "user_deactivated")
    assert (await talk.fresh(user))["loginCount"] == 0


# --- refresh tokens and repeats -----------------------------------------------------------------------------------


async def test_refresh_rotates_and_an_older_token_ends_the_session(talk: Talk, front: Talk) -> None:
    """The grace is of the token that was used last: not of one before it, however lately that was used."""
    user = await talk.member()
    first = await talk.sign_in(user)
    second = (await front.public("RefreshSession", {"refreshToken": first["refreshToken"]})).body
    assert (second["sessionId"], second["user"]["id"]) == (first["sessionId"], user["id"])
    third = await talk.done("RefreshSession", {"refreshToken": second["refreshToken"]})
    assert len({each["refreshToken"] for each in (first, second, third)}) == 3
    assert await talk.alive(third)
    bystander = await talk.sign_in(user)
    reused = await front.public("RefreshSession", {"refreshToken": first["refreshToken"]})
    assert reused.code == "token_invalid"
    assert not await talk.alive(third)
    assert (await talk.command("RefreshSession", {"refreshToken": third["refreshToken"]})).code == "token_invalid"
    assert await talk.alive(bystander)


def past_grace(denizen: Denizen, session: Json) -> None:
    """As if the session's last refresh were so long ago that a used token ends it."""
    earlier = "update sessions set refreshed_at = refreshed_at - interval '11 s' where session_id = %s"
    sql(denizen, earlier, session["sessionId"])


@pytest.mark.parametrize("tabs", [2, 50])
async def test_concurrent_refreshes_get_the_same_tokens(talk: Talk, front: Talk, tabs: int) -> None:
    session = await talk.sign_in(await talk.member())
    asked = {"refreshToken": session["refreshToken"]}
    replies = await asyncio.gather(*(front.public("RefreshSession", asked) for _ in range(tabs)))
    assert [reply.code for reply in replies] == [""] * tabs
    tokens = {(reply.body["accessToken"], reply.body["refreshToken"]) for reply in replies}
    assert len(tokens) == 1
    late = (await front.public("RefreshSession", asked)).body
    assert (late["accessToken"], late["refreshToken"]) in tokens
    assert 290 <= late["expiresIn"] <= 300
    assert await talk.alive(late)


async def test_refresh_token_reused_after_the_grace_ends_the_session(talk: Talk, front: Talk, denizen: Denizen) -> None:
    first = await talk.sign_in(await talk.member())
    asked = {"refreshToken": first["refreshToken"]}
    second = (await front.public("RefreshSession", asked)).body
    assert (await front.public("RefreshSession", asked)).body["refreshToken"] == second["refreshToken"]
    past_grace(denizen, first)
    assert (await front.public("RefreshSession", asked)).code == "token_invalid"
    assert not await talk.alive(second)
    assert (await front.public("RefreshSession", {"refreshToken": second["refreshToken"]})).code == "token_invalid"


async def test_thief_within_the_grace_is_found_at_the_next_refresh(talk: Talk, front: Talk, denizen: Denizen) -> None:
    """Thief and owner hold the same tokens then: at the latest when both have used them, the session ends."""
    session = await talk.sign_in(await talk.member())
    owner, thief = [
        (await front.public("RefreshSession", {"refreshToken": session["refreshToken"]})).body for _ in range(2)
    ]
    assert owner["refreshToken"] == thief["refreshToken"]
    past_grace(denizen, session)
    fresh = (await front.public("RefreshSession", {"refreshToken": thief["refreshToken"]})).body
    past_grace(denizen, session)
    assert (await front.public("RefreshSession", {"refreshToken": owner["refreshToken"]})).code == "token_invalid"
    assert not await talk.alive(fresh)


async def test_expected_version_does_not_protect_a_thief(talk: Talk, denizen: Denizen) -> None:
    """A used token ends the session whatever else the request says."""
    user = await talk.member()
    first = await talk.sign_in(user)
    second = await talk.done("RefreshSession", {"refreshToken": first["refreshToken"]})
    past_grace(denizen, first)
    body = {"refreshToken": first["refreshToken"]}
    reused = await talk.command("RefreshSession", body, Denizen_Expected_Version="9")
    assert (reused.code, await talk.alive(second)) == ("token_invalid", False)


@pytest.mark.parametrize("change", ["another session's", "a later one", "cut", "not one"])
async def test_malformed_refresh_token_ends_no_session(talk: Talk, change: str) -> None:
    user = await talk.member()
    session, other = await talk.sign_in(user), await talk.sign_in(user)
    name, number, proof = session["refreshToken"].split(".")
    forged = {
        "another session's": f"{other['sessionId']}.{number}.{proof}",
        "a later one": f"{name}.1.{proof}",
        "cut": session["refreshToken"][:-1],
        "not one": "x",
    }[change]
    assert (await talk.command("RefreshSession", {"refreshToken": forged})).code == "token_invalid"
    assert [await talk.alive(each) for each in (session, other)] == [True, True]


async def test_repeat_of_authenticate_gets_the_same_tokens(talk: Talk, denizen: Denizen) -> None:
    user = await talk.member()
    login, key = {"email": user["email"], "password": PASSWORD}, email()
    replies = [await talk.command("Authenticate", login, Nats_Msg_Id=key) for _ in range(3)]
    assert len({reply.body["refreshToken"] for reply in replies}) == 1
    assert len({reply.body["sessionId"] for reply in replies}) == 1
    assert len({reply.headers["Denizen-Position"] for reply in replies}) == 1
    assert (await talk.fresh(user))["loginCount"] == 1
    wrong = {**login, "password": "not the password"}
    assert (await talk.command("Authenticate", wrong, Nats_Msg_Id=key)).code == "invalid_credentials", (
        "nothing for free"
    )

    refresh, key = {"refreshToken": replies[0].body["refreshToken"]}, email()
    refreshed = [(await talk.command("RefreshSession", refresh, Nats_Msg_Id=key)).body for _ in range(3)]
    assert len({each["refreshToken"] for each in refreshed}) == 1
    assert await talk.alive(refreshed[2])
    past_grace(denizen, refreshed[0])
    assert (await talk.command("RefreshSession", refresh, Nats_Msg_Id=key)).body["refreshToken"] == (
        refreshed[0]["refreshToken"]
    ), "its answer may be lost for longer than the grace"
    # Under another id it is a used token.
    assert (await talk.command("RefreshSession", refresh, Nats_Msg_Id=email())).code == "token_invalid"
    assert not await talk.alive(refreshed[2])


async def test_concurrent_copies_begin_one_session(talk: Talk) -> None:
    user = await talk.member()
    login, key = {"email": user["email"], "password": PASSWORD}, email()
    replies = await asyncio.gather(*(talk.command("Authenticate", login, Nats_Msg_Id=key) for _ in range(5)))
    assert len({reply.body["refreshToken"] for reply in replies}) == 1
    assert len({reply.headers["Denizen-Position"] for reply in replies}) == 1
    assert (await talk.fresh(user))["loginCount"] == 1


async def test_repeat_of_authenticate_after_a_block_is_refused(talk: Talk) -> None:
    user = await talk.member()
    login, key = {"email": user["email"], "password": PASSWORD}, email()
    first = (await talk.command("Authenticate", login, Nats_Msg_Id=key)).body
    refresh, again = {"refreshToken": first["refreshToken"]}, email()
    assert not (await talk.command("RefreshSession", refresh, Nats_Msg_Id=again)).code
    await talk.done("BlockUser", {"userId": user["id"]})
    assert (await talk.command("Authenticate", login, Nats_Msg_Id=key)).code == "user_blocked"
    assert (await talk.command("RefreshSession", refresh, Nats_Msg_Id=again)).code == "token_invalid"


async def test_expired_session_is_refused(talk: Talk, denizen: Denizen) -> None:
    session = await talk.sign_in(await talk.member())
    sql(denizen, "update sessions set expires_at = now() - interval '1 s' where session_id = %s", session["sessionId"])
    assert not await talk.alive(session)
    assert (await talk.command("RefreshSession", {"refreshToken": session["refreshToken"]})).code == "token_invalid"


# --- at the door --------------------------------------------------------------------------------------------------


async def test_guesses_past_the_limit_are_refused_but_not_the_owner(talk: Talk) -> None:
    user = await talk.member()
    for _ in range(5):
        assert await talk.refused(user, "a guess of mine", ip="192.0.2.99") == "invalid_credentials"
    assert await talk.refused(user, "a guess of mine", ip="192.0.2.99") == "too_many_attempts"
    assert await talk.refused(user, ip="192.0.2.99") == "too_many_attempts", "even if it were right"
    assert not await talk.refused(user, ip="192.0.2.100")
    assert (await talk.fresh(user))["loginCount"] == 1


@pytest.mark.parametrize("version", ["0", "1", "9"])
async def test_conditions_do_not_reveal_an_account(talk: Talk, version: str) -> None:
    user = await talk.member()

    async def asked(address: str) -> None:
        body = {"email": address, "password": "not the password"}
        refusal = await talk.command("Authenticate", body, Denizen_Expected_Version=version)
        assert refusal.body["error"] == {"code": "invalid_credentials", "message": "the password is not right"}
        reply = await talk.command("SendPasswordResetEmail", {"email": address}, Denizen_Expected_Version=version)
        assert reply.body == {}

    await asyncio.gather(asked(user["email"]), asked(email()))


async def test_user_without_a_password_cannot_sign_in(talk: Talk) -> None:
    user = await talk.create(emailVerified=True)
    codes = await asyncio.gather(*(talk.refused(user, password) for password in (PASSWORD, " ", "None")))
    assert codes == ["invalid_credentials"] * 3
    assert (await talk.command("Authenticate", {"email": user["email"], "password": ""})).code == "validation_failed"


async def sealed(talk: Talk, secret: str, command_id: str) -> str:
    key = (await talk.query("GetSealingKey", {})).body
    from base64 import urlsafe_b64decode

    return seal(secret, command_id, key["keyId"], urlsafe_b64decode(key["publicKey"] + "="))


async def test_sealed_secret_of_a_plain_client_is_accepted(talk: Talk, post: Postbox) -> None:
    async def asked(name: str, key: str, body: Json, **secrets: str) -> Reply:
        return await talk.command(
            name, {**body, **{field: await sealed(talk, each, key) for field, each in secrets.items()}}, Nats_Msg_Id=key
        )

    address = email()
    created = await asked("CreateUser", email(), {"email": address, "emailVerified": True}, password=PASSWORD)
    user = created.body["user"]
    entered = await asked("Authenticate", email(), {"email": address}, password=PASSWORD)
    assert await talk.alive(entered.body)
    refreshed = await asked("RefreshSession", email(), {}, refreshToken=entered.body["refreshToken"])
    assert await talk.alive(refreshed.body)
    changed = await asked("ChangePassword", email(), {"userId": user["id"]}, currentPassword=PASSWORD, newPassword=NEW)
    assert not changed.code
    assert not await talk.refused(user, NEW), "what was sealed is the password"
    await talk.done("SendPasswordResetEmail", {"email": address})
    token = await post.token(address)
    assert not (await asked("ConfirmPasswordReset", email(), {}, token=token, password=PASSWORD)).code
    await talk.done("ChangeEmail", {"userId": user["id"], "email": (new := email())})
    assert not (await asked("VerifyEmail", email(), {"userId": user["id"]}, code=await post.code(new))).code

    # In another command it is refused; without an id there is none that it could be for.
    box = await sealed(talk, PASSWORD, "c1")
    body = {"email": new, "password": box}
    for headers in ({"Nats_Msg_Id": "c2"}, {}):
        assert (await talk.command("Authenticate", body, **headers)).code == "malformed_message"
    weak = await asked("CreateUser", email(), {"email": email()}, password="password")
    assert weak.code == "weak_password", "the rules see what is inside"
