"""Passwords, codes and addresses, from a plain NATS client that knows only the contract."""

import asyncio
import base64
import hashlib

import bcrypt
import pytest

from tests.support.backend import Json, Reply, email
from tests.support.people import PASSWORD, Postbox, Talk, sql, talking
from tests.support.servers import Denizen

NEW = "another good one 77"


def expire_codes(denizen: Denizen, user: Json) -> None:
    sql(denizen, "update codes set expires_at = now() - interval '1 s' where user_id = %s", user["id"])


# --- changing and resetting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["command", "self"])
async def test_change_password_ends_every_session(talk: Talk, post: Postbox, kind: str) -> None:
    user = await talk.member()
    session = await talk.sign_in(user)

    async def change(current: str, new: str) -> Json:
        body = {"currentPassword": current, "newPassword": new}
        if kind == "command":
            return (await talk.command("ChangePassword", {"userId": user["id"], **body})).body
        return (await talk.self(session["accessToken"], "ChangePassword", body)).body

    wrong = (await change("not the password", NEW))["error"]
    assert (wrong["code"], wrong["field"]) == ("invalid_credentials", "currentPassword")
    weak = (await change(PASSWORD, "password"))["error"]
    assert (weak["code"], weak["field"]) == ("weak_password", "newPassword")
    assert await talk.alive(session)
    assert "user" in await change(PASSWORD, NEW)
    assert not await talk.alive(session)
    assert await talk.refused(user) == "invalid_credentials"
    assert not await talk.refused(user, NEW)
    await post.mails(user["email"], "password was changed")


async def test_reset_password_can_require_a_change(talk: Talk) -> None:
    user = await talk.member()
    session = await talk.sign_in(user)
    body = {"userId": user["id"], "password": NEW, "requireChange": True}
    assert (await talk.done("ResetPassword", body))["user"]["passwordChangeRequired"] is True
    assert not await talk.alive(session)
    entered = await talk.command("Authenticate", {"email": user["email"], "password": NEW})
    assert (entered.code, entered.body["error"]["details"]) == ("password_change_required", [{"userId": user["id"]}])
    assert await talk.refused(user) == "invalid_credentials", "it is said to who knows the new one"
    assert (await talk.fresh(user))["passwordChangeRequired"] is True
    change = {"userId": user["id"], "currentPassword": NEW, "newPassword": PASSWORD}
    assert (await talk.done("ChangePassword", change))["user"]["passwordChangeRequired"] is False
    assert await talk.alive(await talk.sign_in(user))
    assert (await talk.fresh(user))["loginCount"] == 2


@pytest.mark.parametrize("required", [True, False])
async def test_change_password_to_the_same_is_refused(talk: Talk, required: bool) -> None:
    user = await talk.create(passwordHash=bcrypted(PASSWORD), emailVerified=True)
    if required:
        await talk.done("ResetPassword", {"userId": user["id"], "password": PASSWORD, "requireChange": True})
    change = {"userId": user["id"], "currentPassword": PASSWORD, "newPassword": PASSWORD}
    error = (await talk.command("ChangePassword", change)).body["error"]
    assert (error["code"], error["field"]) == ("weak_password", "newPassword")
    assert "same as before" in error["message"]
    assert (await talk.fresh(user))["passwordChangeRequired"] is required
    changed = await talk.done("ChangePassword", {**change, "newPassword": NEW})
    assert changed["user"]["passwordChangeRequired"] is False


async def test_confirm_reset_to_the_same_password_is_refused(talk: Talk, post: Postbox) -> None:
    user = await talk.member()
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    confirm = {"token": await post.token(user["email"]), "password": PASSWORD}
    await talk.done("ConfirmPasswordReset", confirm)  # A user who had forgotten it may hit on it again.
    await talk.done("ResetPassword", {"userId": user["id"], "password": NEW, "requireChange": True})
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    confirm = {"token": await post.token(user["email"], 2), "password": NEW}
    error = (await talk.command("ConfirmPasswordReset", confirm)).body["error"]
    assert (error["code"], error["field"]) == ("weak_password", "password")
    assert (await talk.fresh(user))["passwordChangeRequired"] is True
    done = await talk.done("ConfirmPasswordReset", {**confirm, "password": PASSWORD})
    assert done["user"]["passwordChangeRequired"] is False, "the token is still good for another one"


@pytest.mark.parametrize("kind", ["command", "public"])
async def test_forgotten_password_is_reset_by_mail(talk: Talk, post: Postbox, kind: str) -> None:
    asked = talk.command if kind == "command" else talk.public
    user = await talk.member()
    session = await talk.sign_in(user)
    assert (await asked("SendPasswordResetEmail", {"email": user["email"].upper()})).body == {}
    assert (await asked("SendPasswordResetEmail", {"email": email()})).body == {}, "no user has it"
    token = await post.token(user["email"])
    weak = await asked("ConfirmPasswordReset", {"token": token, "password": "password"})
    assert weak.code == "weak_password", "and the token is not used up by it"
    recovered = await asked("ConfirmPasswordReset", {"token": token, "password": NEW})
    assert recovered.body["user"]["id"] == user["id"]
    for used in (token, "A" * 43, "x"):
        assert (await asked("ConfirmPasswordReset", {"token": used, "password": NEW})).code == "token_invalid"
    assert not await talk.alive(session)
    assert not await talk.refused(user, NEW)
    await post.mails(user["email"], "password was changed")


async def test_password_reset_by_mail_verifies_the_address(talk: Talk, post: Postbox) -> None:
    user = await talk.create(password=PASSWORD)
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    token = await post.token(user["email"])
    recovered = await talk.done("ConfirmPasswordReset", {"token": token, "password": NEW})
    assert (recovered["user"]["status"], recovered["user"]["emailVerified"]) == ("ACTIVE", True)
    assert await talk.alive(await talk.sign_in(user, NEW))
    assert (await talk.fresh(user))["status"] == "ACTIVE"


# --- codes and tokens: once, a few times, for a while -------------------------------------------------------------


async def test_concurrent_uses_of_one_code_one_wins(talk: Talk, post: Postbox) -> None:
    user = await talk.create()
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    body = {"userId": user["id"], "code": await post.code(user["email"])}
    replies = await asyncio.gather(*(talk.command("VerifyEmail", body) for _ in range(50)))
    codes = [reply.code for reply in replies]
    assert codes.count("") == 1
    assert set(codes) == {"", "code_invalid", "too_many_attempts"}
    assert (await talk.fresh(user))["version"] == 3, "created, asked for, verified once"


@pytest.mark.parametrize("used", ["digits", "long"])
async def test_using_one_code_spends_both(talk: Talk, post: Postbox, used: str) -> None:
    user = await talk.create()
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    digits, long_code = await post.code(user["email"]), await post.long_code(user["email"])
    wrong = f"{long_code[:-1]}{'1' if long_code[-1] == '0' else '0'}"
    assert (await talk.command("VerifyEmail", {"userId": user["id"], "code": wrong})).code == "code_invalid"
    await talk.done("VerifyEmail", {"userId": user["id"], "code": digits if used == "digits" else long_code})
    # A change of address is pending now, so that there is something to verify; its mail holds other codes.
    wanted = email()
    await talk.done("ChangeEmail", {"userId": user["id"], "email": wanted})
    for code in (digits, long_code):
        assert (await talk.command("VerifyEmail", {"userId": user["id"], "code": code})).code == "code_invalid"
    moved = {"userId": user["id"], "code": await post.long_code(wanted)}
    assert (await talk.done("VerifyEmail", moved))["user"]["email"] == wanted


async def test_concurrent_use_of_both_codes_verifies_once(talk: Talk, post: Postbox) -> None:
    user = await talk.create()
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    given = [await post.code(user["email"]), *[await post.long_code(user["email"])] * 9] * 3
    replies = await asyncio.gather(
        *(talk.command("VerifyEmail", {"userId": user["id"], "code": code}) for code in given)
    )
    codes = [reply.code for reply in replies]
    assert codes.count("") == 1
    assert set(codes) <= {"", "code_invalid", "too_many_attempts"}
    assert (await talk.fresh(user))["version"] == 3, "created, asked for, verified once"


async def test_concurrent_uses_of_one_token_one_wins(talk: Talk, post: Postbox) -> None:
    user = await talk.member()
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    token = await post.token(user["email"])
    passwords = [f"{NEW} {number}" for number in range(50)]
    replies = await asyncio.gather(
        *(talk.command("ConfirmPasswordReset", {"token": token, "password": each}) for each in passwords)
    )
    # So many passwords are hashed at once: some may be told that they come too many.
    assert [reply.code for reply in replies].count("") == 1
    assert {reply.code for reply in replies} <= {"", "token_invalid", "overloaded"}
    (won,) = [each for each, reply in zip(passwords, replies, strict=True) if not reply.code]
    assert not await talk.refused(user, won)
    assert len(await post.mails(user["email"], "password was changed")) == 1


async def test_code_can_be_tried_five_times(talk: Talk, post: Postbox) -> None:
    user = await talk.create()
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    code = await post.code(user["email"])
    wrong = {"userId": user["id"], "code": f"{(int(code) + 1) % 1_000_000:06d}"}
    for _ in range(5):
        assert (await talk.command("VerifyEmail", wrong)).code == "code_invalid"
    right = {"userId": user["id"], "code": code}
    assert (await talk.command("VerifyEmail", right)).code == "code_invalid"
    # Another code can be tried again; and over all codes there is an end.
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    other = {"userId": user["id"], "code": await post.code(user["email"], 2)}
    assert (await talk.command("VerifyEmail", right)).code == "code_invalid" or code == other["code"]
    assert not (await talk.command("VerifyEmail", other)).code


async def test_guesses_over_many_codes_are_limited(talk: Talk) -> None:
    user = await talk.create()
    codes = [
        (await talk.command("VerifyEmail", {"userId": user["id"], "code": f"{number:06d}"})).code
        for number in range(25)
    ]
    assert codes == ["code_invalid"] * 20 + ["too_many_attempts"] * 5


async def test_mailed_code_and_token_expire(talk: Talk, post: Postbox, denizen: Denizen) -> None:
    user = await talk.create(password=PASSWORD)
    await talk.done("SendVerificationEmail", {"userId": user["id"]})
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    code, token = await post.code(user["email"]), await post.token(user["email"])
    long_code = await post.long_code(user["email"])
    lives = sql(
        denizen, "select purpose, extract(epoch from expires_at - now()) from codes where user_id = %s", user["id"]
    )
    assert {purpose: 60 * round(float(life) / 60) for purpose, life in lives} == {"verify": 600, "reset": 1800}
    expire_codes(denizen, user)
    for each in (code, long_code):
        assert (await talk.command("VerifyEmail", {"userId": user["id"], "code": each})).code == "code_invalid"
    reset = await talk.command("ConfirmPasswordReset", {"token": token, "password": NEW})
    assert reset.code == "token_invalid"
    assert (await talk.fresh(user))["status"] == "PENDING_VERIFICATION"


async def test_only_the_newest_code_and_token_count(talk: Talk, post: Postbox) -> None:
    user = await talk.create()
    for number in (1, 2):
        await talk.done("SendPasswordResetEmail", {"email": user["email"]})
        await post.token(user["email"], number)
    old, new = await post.token(user["email"], 1), await post.token(user["email"], 2)
    assert (await talk.command("ConfirmPasswordReset", {"token": old, "password": NEW})).code == "token_invalid"
    assert not (await talk.command("ConfirmPasswordReset", {"token": new, "password": NEW})).code


async def test_mails_to_one_address_are_limited(talk: Talk, post: Postbox) -> None:
    user = await talk.create()

    async def codes(address: str) -> list[str]:
        return [(await talk.command("SendPasswordResetEmail", {"email": address})).code for _ in range(6)]

    both = await asyncio.gather(codes(user["email"]), codes(email()))
    assert both == [[""] * 4 + ["too_many_attempts"] * 2] * 2
    assert (await talk.command("SendVerificationEmail", {"userId": user["id"]})).code == "too_many_attempts"
    assert len(await post.mails(user["email"], "new password", 4)) == 4


# --- another address ----------------------------------------------------------------------------------------------


async def test_change_email_takes_effect_when_verified(talk: Talk, post: Postbox) -> None:
    user = await talk.member()
    session, address = await talk.sign_in(user), email()
    asked = await talk.done("ChangeEmail", {"userId": user["id"], "email": address})
    assert (asked["user"]["email"], asked["user"]["status"]) == (user["email"], "ACTIVE")
    code = await post.code(address)
    assert (await talk.query("GetUserByEmail", {"email": address})).code == "user_not_found"
    moved = await talk.done("VerifyEmail", {"userId": user["id"], "code": code})
    assert (moved["user"]["email"], moved["user"]["emailVerified"]) == (address, True)
    at = str(moved["position"])
    assert (await talk.query("GetUserByEmail", {"email": address}, Denizen_Min_Position=at)).body["id"] == user["id"]
    assert (await talk.query("GetUserByEmail", {"email": user["email"]})).code == "user_not_found"
    await post.mails(user["email"], "address was changed")
    assert await talk.alive(session)
    assert await talk.refused(user) == "invalid_credentials", "by the old address"
    assert not await talk.refused({"email": address})
    assert (await talk.create(email=user["email"]))["id"] != user["id"], "the old one is free"


@pytest.mark.parametrize("kind", ["command", "self"])
async def test_change_email_to_the_present_address_cancels_the_change(talk: Talk, post: Postbox, kind: str) -> None:
    user, wanted = await talk.member(), email()
    token = (await talk.sign_in(user))["accessToken"]

    async def change(address: str) -> Reply:
        if kind == "command":
            return await talk.command("ChangeEmail", {"userId": user["id"], "email": address})
        return await talk.self(token, "ChangeEmail", {"email": address, "currentPassword": PASSWORD})

    assert not (await change(wanted)).code
    code = await post.code(wanted)
    assert not (await change(user["email"])).code
    assert (await talk.command("VerifyEmail", {"userId": user["id"], "code": code})).code == "code_invalid"
    assert (await talk.command("SendVerificationEmail", {"userId": user["id"]})).code == "invalid_transition"
    assert (await change(user["email"])).code == "invalid_transition", "nothing is left to call off"
    fresh = await talk.fresh(user)
    assert (fresh["email"], fresh["emailVerified"]) == (user["email"], True)
    at = await talk.now()
    history = (await talk.query("GetUserHistory", {"userId": user["id"]}, Denizen_Min_Position=at)).body["data"]
    assert "EmailChanged" not in {each["type"] for each in history}
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    await post.mails(user["email"], "new password")  # All that was to be sent before it is there.
    assert [mail["Subject"] for mail in await post.mails(user["email"], "", 0)] == [
        mail["Subject"] for mail in await post.mails(user["email"], "new password")
    ], "no code and no note"


async def test_change_email_is_cancelled_past_the_mail_limit(talk: Talk, post: Postbox) -> None:
    user, wanted = await talk.member(), email()
    while (await talk.command("SendPasswordResetEmail", {"email": user["email"]})).code != "too_many_attempts":
        pass
    await talk.done("ChangeEmail", {"userId": user["id"], "email": wanted})
    await talk.done("ChangeEmail", {"userId": user["id"], "email": user["email"]})
    late = await talk.command("VerifyEmail", {"userId": user["id"], "code": await post.code(wanted)})
    assert late.code == "code_invalid"


async def test_change_email_to_a_taken_address_is_refused(talk: Talk, post: Postbox) -> None:
    user, other = await talk.member(), await talk.member()
    taken = {"userId": user["id"], "email": other["email"].upper()}
    assert (await talk.command("ChangeEmail", taken)).code == "email_taken"
    wanted = email()
    await talk.done("ChangeEmail", {"userId": user["id"], "email": wanted})
    await talk.create(email=wanted)
    late = await talk.command("VerifyEmail", {"userId": user["id"], "code": await post.code(wanted)})
    assert late.code == "email_taken"
    assert (await talk.fresh(user))["email"] == user["email"]


async def test_change_own_email_needs_the_password(talk: Talk, post: Postbox) -> None:
    """A stolen session must not move the account."""
    user = await talk.member()
    token, address = (await talk.sign_in(user))["accessToken"], email()
    for body in ({"email": address}, {"email": address, "currentPassword": "not the password"}):
        refusal = (await talk.self(token, "ChangeEmail", body)).body["error"]
        assert (refusal["code"], refusal["field"]) == ("invalid_credentials", "currentPassword")
    assert not (await talk.self(token, "ChangeEmail", {"email": address, "currentPassword": PASSWORD})).code
    moved = await talk.public("VerifyEmail", {"userId": user["id"], "code": await post.code(address)})
    assert moved.body["user"]["email"] == address
    await post.mails(user["email"], "address was changed")


# --- what a password may be, and hashes from elsewhere ------------------------------------------------------------

LONG = "a passphrase of more than seventy-two octets: \u00fcber die Stra\u00dfe und zur\u00fcck, immer weiter"


def django(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt1234", 1000)
    return f"pbkdf2_sha256$1000$salt1234${base64.b64encode(digest).decode()}"


def ssha(password: str) -> str:
    digest = hashlib.sha1(password.encode() + b"salt").digest()
    return "{SSHA}" + base64.b64encode(digest + b"salt").decode()


def bcrypted(password: str) -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize(
    ("stored", "password"),
    [
        (bcrypted(PASSWORD), PASSWORD),
        (bcrypted(LONG), LONG),
        (django(PASSWORD), PASSWORD),
        (ssha(LONG), LONG),
    ],
    ids=["bcrypt", "bcrypt above 72 octets", "Django", "SSHA"],
)
@pytest.mark.parametrize("field", ["passwordHash", "password"])
async def test_imported_hash_signs_in(talk: Talk, denizen: Denizen, stored: str, password: str, field: str) -> None:
    prefix = "hashed:" if field == "password" else ""
    user = await talk.create(emailVerified=True, **{field: prefix + stored})

    def kept() -> str:
        ((hash_,),) = sql(denizen, "select hash from passwords where user_id = %s", user["id"])
        return str(hash_)

    imported = kept()
    assert not imported.startswith("$argon2")
    assert await talk.refused(user, "not the password") == "invalid_credentials"
    assert kept() == imported
    assert await talk.alive(await talk.sign_in(user, password))
    assert kept().startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await talk.alive(await talk.sign_in(user, password))
    if len(password.encode()) > 72:
        assert await talk.refused(user, password + "x") == "invalid_credentials", "now every octet counts"


async def test_refused_sign_in_does_not_rehash(talk: Talk, denizen: Denizen) -> None:
    user = await talk.create(passwordHash=bcrypted(PASSWORD))
    assert await talk.refused(user) == "email_not_verified"
    assert sql(denizen, "select hash like '$2b$%%' from passwords where user_id = %s", user["id"]) == [(True,)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD, "passwordHash": bcrypted(PASSWORD)}, "passwordHash"),
        ({"password": "hashed:", "passwordHash": bcrypted(PASSWORD)}, "passwordHash"),
        ({"passwordHash": PASSWORD}, "passwordHash"),
        ({"password": f"hashed:{PASSWORD}"}, "passwordHash"),
        ({"passwordHash": "$2b$31$" + "a" * 53}, "passwordHash"),
        ({"passwordHash": "$argon2id$v=19$m=4194304,t=3,p=4$c2FsdHNhbHQ$" + "a" * 43}, "passwordHash"),
        ({"passwordHash": ""}, "passwordHash"),
    ],
)
async def test_malformed_hash_is_refused(talk: Talk, body: Json, field: str) -> None:
    address = email()
    refusal = await talk.command("CreateUser", {"email": address, **body})
    assert (refusal.code, refusal.body["error"]["field"]) == ("validation_failed", field)
    for secret in body.values():
        assert not secret or secret not in refusal.data.decode()
    assert (await talk.create(email=address))["email"] == address, "nothing was done"


@pytest.mark.parametrize("password", ["short 7", "password", "12345678", "QWERTYUIOP", "x" * 257, "the address"])
async def test_weak_password_is_refused(talk: Talk, password: str) -> None:
    address = email()
    password = address if password == "the address" else password
    user = await talk.create()
    for name, body in (
        ("CreateUser", {"email": address, "password": password}),
        ("Register", {"email": address, "password": password}),
        *([("ResetPassword", {"userId": user["id"], "password": password})] * (password != address)),
    ):
        refusal = await talk.command(name, body)
        assert (refusal.code, refusal.body["error"]["field"]) == ("weak_password", "password")
        assert password not in refusal.data.decode() or password == "password"
    assert (await talk.query("GetUserByEmail", {"email": address})).code == "user_not_found"


async def test_password_in_another_unicode_form_signs_in(talk: Talk) -> None:
    """NFC: it does not depend on the keyboard how a letter is written."""
    user = await talk.member(password="Ame\u0301lie Poulain")
    assert not await talk.refused(user, "Am\u00e9lie Poulain")
    assert await talk.refused(user, "amelie poulain") == "invalid_credentials"


# --- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["command", "self"])
async def test_deleted_user_cannot_sign_in(talk: Talk, denizen: Denizen, kind: str) -> None:
    user = await talk.member()
    session = await talk.sign_in(user, ip="192.0.2.7")
    await talk.done("SendPasswordResetEmail", {"email": user["email"]})
    if kind == "command":
        gone = await talk.command("DeleteUser", {"userId": user["id"]})
    else:
        gone = await talk.self(session["accessToken"], "DeleteUser")
    assert gone.body == {"userId": user["id"], "position": gone.body["position"]}
    assert not await talk.alive(session)
    assert await talk.refused(user) == "invalid_credentials"
    at = {"Denizen_Min_Position": str(gone.body["position"])}
    assert (await talk.query("GetUser", {"userId": user["id"]}, **at)).code == "user_not_found"
    assert (await talk.query("GetUserByEmail", {"email": user["email"]}, **at)).code == "user_not_found"
    assert (await talk.query("GetLoginHistory", {"userId": user["id"]}, **at)).code == "user_not_found"
    for table in ("passwords", "codes", "sessions", "mails", "data_keys", "claims", "users", "by_email"):
        assert sql(denizen, f"select from {table} where user_id = %s", user["id"]) == [], table
    for name, body in (("BlockUser", {}), ("VerifyEmail", {"code": "123456"}), ("RevokeSessions", {})):
        assert (await talk.command(name, {"userId": user["id"], **body})).code == "user_not_found"
    again = (await talk.command("Register", {"email": user["email"], "password": NEW})).body["user"]
    assert again["id"] != user["id"]


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        ("command", "CreateUser", "user_not_found"),
        ("command", "Register", "user_not_found"),
        ("public", "Register", "validation_failed"),
    ],
)
async def test_repeat_after_the_user_was_deleted_is_refused(
    talk: Talk, post: Postbox, kind: str, name: str, code: str
) -> None:
    """As the contract lists it. The digest went with the user, and a front end learns nothing of the first request."""
    asked = talk.command if kind == "command" else talk.public
    address = email()
    create = {"email": address, "password": PASSWORD}
    user = (await asked(name, create, Nats_Msg_Id=address)).body["user"]
    await talk.done("SendPasswordResetEmail", {"email": address})
    reset = {"token": await post.token(address), "password": NEW}
    assert not (await asked("ConfirmPasswordReset", reset, Nats_Msg_Id=f"{address}/reset")).code
    await talk.done("DeleteUser", {"userId": user["id"]})
    assert (await asked(name, create, Nats_Msg_Id=address)).code == code
    assert (await asked("ConfirmPasswordReset", reset, Nats_Msg_Id=f"{address}/reset")).code == code


# --- the discreet setting -----------------------------------------------------------------------------------------


@pytest.mark.embedded
async def test_discreet_registration_answers_alike(other_settings: Denizen) -> None:
    """The same answer, the same time to half a second, and a mail to the owner of the address."""
    post = Postbox(other_settings)
    async with talking(other_settings, "frontend") as front, talking(other_settings) as talk:
        owner = await talk.member()
        address = email()
        loop = asyncio.get_running_loop()

        async def registered(to: str) -> None:
            for headers in ({}, {"Denizen_Expected_Version": "1"}):
                began = loop.time()
                reply = await front.public("Register", {"email": to, "password": NEW}, **headers)
                assert (reply.body, "Denizen-Position" in reply.headers) == ({}, False)
                assert loop.time() - began >= 0.5
                weak = await front.public("Register", {"email": to, "password": "password"}, **headers)
                assert weak.code == "weak_password"

        await asyncio.gather(registered(owner["email"]), registered(address))
        await post.mails(owner["email"], "have an account already", 2)
        # A new user has a code at once; an existing one is told that the address has an account.
        code = await post.code(address)
        await post.mails(address, "have an account already")
        now = await talk.now()
        user = (await talk.query("GetUserByEmail", {"email": address}, Denizen_Min_Position=now)).body
        assert user["status"] == "PENDING_VERIFICATION"
        assert not (await front.public("VerifyEmail", {"userId": user["id"], "code": code})).code
        assert await talk.alive(await talk.sign_in(user, NEW))
        assert not await talk.refused(owner), "the password did not change"

        # A repeat says the same, and sends nothing again.
        async def repeated(to: str) -> None:
            for _ in range(3):
                reply = await front.public("Register", {"email": to, "password": NEW}, Nats_Msg_Id=f"r-{to}")
                assert reply.body == {}

        await asyncio.gather(repeated(owner["email"]), repeated(email()))
        assert len(await post.mails(owner["email"], "have an account already", 3)) == 3

        # It writes to people unasked: that is limited, whether or not a user has the address.
        another = email()
        codes = [(await front.public("Register", {"email": another, "password": NEW})).code for _ in range(5)]
        assert codes == [""] * 4 + ["too_many_attempts"]
