"""Each refusal of a sign-in, and the way out of it that docs/how-to/build-a-sign-in-front-end.md names.

Every call of the way out is made by the NATS user `frontend` alone. Another connection only prepares the user.
"""

import re
from pathlib import Path

import pytest
from denizen.operations import PUBLIC

from tests.support.backend import Json, email
from tests.support.people import PASSWORD, Postbox, Talk
from tests.support.servers import REPOSITORY

NEW = "another good one 77"
PAGE = REPOSITORY / "docs" / "how-to" / "build-a-sign-in-front-end.md"


async def refusal(front: Talk, user: Json, password: str = PASSWORD, **more: str) -> Json:
    """The error that a sign-in at the front end is refused with."""
    reply = await front.public("Authenticate", {"email": user["email"], "password": password, **more})
    assert reply.code, "the sign-in is refused"
    error: Json = reply.body["error"]
    return error


async def enters(front: Talk, user: Json, password: str = PASSWORD, **more: str) -> Json:
    """The user signs in at the front end."""
    reply = await front.public("Authenticate", {"email": user["email"], "password": password, **more})
    assert not reply.code, reply.data
    return reply.body


async def resets(front: Talk, post: Postbox, user: Json, password: str, number: int = 1) -> None:
    """The user sets a password by mail."""
    assert (await front.public("SendPasswordResetEmail", {"email": user["email"]})).body == {}
    token = await post.token(user["email"], number)
    reply = await front.public("ConfirmPasswordReset", {"token": token, "password": password})
    assert not reply.code, reply.data


async def test_required_change_is_made_by_a_mailed_token(talk: Talk, front: Talk, post: Postbox) -> None:
    user = await talk.member()
    await talk.done("ResetPassword", {"userId": user["id"], "password": NEW, "requireChange": True})
    error = await refusal(front, user, NEW)
    assert (error["code"], error["details"]) == ("password_change_required", [{"userId": user["id"]}])
    await resets(front, post, user, "a third one 12345")
    await enters(front, user, "a third one 12345")


async def test_imported_user_who_must_change_comes_in_by_mail(talk: Talk, front: Talk, post: Postbox) -> None:
    row = {"email": email(), "password": PASSWORD, "emailVerified": False, "passwordChangeRequired": True}
    (result,) = (await talk.done("ImportUsers", {"users": [row]}))["results"]
    assert result["status"] == "created"
    assert (await refusal(front, row))["code"] == "email_not_verified"
    await resets(front, post, row, NEW)  # The token verifies the address, too.
    await enters(front, row, NEW)


async def test_unverified_address_is_verified_by_a_mailed_code(front: Talk, post: Postbox) -> None:
    address = email()
    user = (await front.public("Register", {"email": address, "password": PASSWORD})).body["user"]
    error = await refusal(front, user)
    assert (error["code"], error["details"]) == ("email_not_verified", [{"userId": user["id"]}])
    named = error["details"][0]
    assert (await front.public("SendVerificationEmail", named)).body == {}
    verified = await front.public("VerifyEmail", {**named, "code": await post.code(address)})
    assert not verified.code
    await enters(front, user)


async def test_wrong_password_is_reset_by_mail(talk: Talk, front: Talk, post: Postbox) -> None:
    user = await talk.member()
    assert (await refusal(front, user, "not the password"))["code"] == "invalid_credentials"
    await resets(front, post, user, NEW)
    await enters(front, user, NEW)


async def test_throttled_user_comes_in_by_mail(talk: Talk, front: Talk, post: Postbox) -> None:
    user = await talk.member()
    codes: list[str] = []
    while "too_many_attempts" not in codes:
        codes.append((await refusal(front, user, "a guess of mine", ip="192.0.2.7"))["code"])
        assert len(codes) < 50
    assert (await refusal(front, user, ip="192.0.2.7"))["code"] == "too_many_attempts", "though it is right"
    await resets(front, post, user, NEW)
    await enters(front, user, NEW, ip="192.0.2.7")


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (("BlockUser", "UnblockUser"), "user_blocked"),
        (("DeactivateUser", "ReactivateUser"), "user_deactivated"),
    ],
)
async def test_held_user_comes_in_only_through_an_operator(
    talk: Talk, front: Talk, post: Postbox, commands: tuple[str, str], code: str
) -> None:
    """A reset password does not unblock: no call of a front end does."""
    user = await talk.member()
    await talk.done(commands[0], {"userId": user["id"]})
    assert (await refusal(front, user))["code"] == code
    assert (await refusal(front, user, "not the password"))["code"] == "invalid_credentials", "told to the owner alone"
    await resets(front, post, user, NEW)
    assert (await refusal(front, user, NEW))["code"] == code
    await talk.done(commands[1], {"userId": user["id"]})
    await enters(front, user, NEW)


async def test_expired_session_is_refreshed_or_started_again(talk: Talk, front: Talk) -> None:
    user = await talk.member()
    session = await enters(front, user)
    refreshed = await front.public("RefreshSession", {"refreshToken": session["refreshToken"]})
    assert not refreshed.code
    await talk.done("RevokeSessions", {"userId": user["id"]})
    ended = await front.public("RefreshSession", {"refreshToken": refreshed.body["refreshToken"]})
    assert ended.code == "token_invalid"
    await enters(front, user)


def test_page_names_a_way_out_of_every_refusal() -> None:
    """The table has a row for each code that Authenticate can answer with, and names only calls of a front end."""
    rows = re.findall(r"^\| `(\w+)`.*$", section(PAGE), re.MULTILINE)
    assert set(rows) >= {*PUBLIC["Authenticate"].codes, *PUBLIC["RefreshSession"].codes}
    calls = set(re.findall(r"`([A-Z]\w+)`", section(PAGE)))
    assert calls <= PUBLIC.keys(), "no call of a back end"


def section(page: Path) -> str:
    """The text under the heading of the table."""
    return page.read_text("utf-8").partition("## When a sign-in is refused")[2].partition("\n## ")[0]
