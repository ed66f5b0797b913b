"""Threat 8: no role sets a field that it may not set, on any subject, and no user acts as another user."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from denizen import messages as m
from denizen.operations import PUBLIC, SELF, Operation

from tests.support.backend import Json, email
from tests.support.people import PASSWORD, Talk

UNKNOWN = "user_01h455vb4pex5vsknk084sn02q"
SESSION = "sess_01h455vb4pex5vsknk084sn02q"
PRIVILEGED: Json = {
    "appMetadata": {"role": "admin"},
    "emailVerified": True,
    "status": "ACTIVE",
    "externalId": "x",
    "userId": UNKNOWN,
    "id": UNKNOWN,
    "roles": ["admin"],
    "role": "admin",
    "isAdmin": True,
    "identities": [],
    "passwordHash": "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    "passwordChangeRequired": False,
    "requireChange": False,
    "metadata": {"a": 1},
    "profile": {"firstName": "Ada"},
    "email": "other@example.com",
    "loginCount": 0,
    "createdAt": "2026-01-01T00:00:00Z",
    "blockedAt": None,
    "version": 9,
    "actor": "admin",
    "token": "x",
    "accessToken": "x",
    "authorization": "Bearer x",
    "session": SESSION,
    "sub": UNKNOWN,
    "user_id": UNKNOWN,
    "app_metadata": {"role": "admin"},
    "__proto__": {"isAdmin": True},
}
"""Fields that a caller might try to set; where a request has a field of the name, the role may set it."""
VALID: dict[str, Json] = {
    "Register": {"email": "a@example.com", "password": PASSWORD},
    "Authenticate": {"email": "a@example.com", "password": PASSWORD},
    "RefreshSession": {"refreshToken": "x"},
    "VerifyEmail": {"userId": UNKNOWN, "code": "123456"},
    "SendVerificationEmail": {"userId": UNKNOWN},
    "SendPasswordResetEmail": {"email": "a@example.com"},
    "ConfirmPasswordReset": {"token": "x", "password": PASSWORD},
    "ChangeEmail": {"email": "a@example.com", "currentPassword": PASSWORD},
    "ChangePassword": {"currentPassword": PASSWORD, "newPassword": PASSWORD},
    "RevokeSession": {"sessionId": SESSION},
    "LinkIdentity": {"provider": "google", "providerId": "x"},
    "UnlinkIdentity": {"provider": "google", "providerId": "x"},
}
"""Bodies that lack only the user whom they are about."""
FIELDS: dict[str, set[str]] = {
    "public.Register": {"email", "password", "profile"},
    "public.Authenticate": {"email", "password", "ip", "userAgent"},
    "public.RefreshSession": {"refreshToken"},
    "public.VerifyEmail": {"userId", "code"},
    "public.SendVerificationEmail": {"userId"},
    "public.SendPasswordResetEmail": {"email"},
    "public.ConfirmPasswordReset": {"token", "password"},
    "self.GetMe": set(),
    "self.UpdateUser": {"profile", "metadata"},
    "self.ChangeEmail": {"email", "currentPassword"},
    "self.ChangePassword": {"currentPassword", "newPassword"},
    "self.ListSessions": set(),
    "self.RevokeSession": {"sessionId"},
    "self.LogOut": set(),
    "self.ListIdentities": set(),
    "self.LinkIdentity": {"provider", "providerId", "accessToken", "currentPassword"},
    "self.UnlinkIdentity": {"provider", "providerId", "currentPassword"},
    "self.GetLoginHistory": {"count", "cursor"},
    "self.DeleteUser": {"currentPassword"},
}
"""The fields that callers who are not trusted may send. Another field here is another privilege."""
OPERATIONS = [*PUBLIC.values(), *SELF.values()]


def named(operation: Operation) -> str:
    return f"{operation.kind}.{operation.name}"


def test_fields_of_untrusted_roles_are_these() -> None:
    found = {
        named(each): {field.alias or name for name, field in each.request.model_fields.items()} for each in OPERATIONS
    }
    assert found == {name: FIELDS[name] for name in found}


def forbidden(operation: Operation) -> Iterator[tuple[str, Any]]:
    for field, value in PRIVILEGED.items():
        if field not in FIELDS[named(operation)]:
            yield field, value


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_field_that_a_role_may_not_set_is_refused(talk: Talk, front: Talk, operation: Operation) -> None:
    """Each by itself, beside what is right; in the profile, too; and as the front end that faces the Internet."""
    user = await talk.member()
    token = (await talk.sign_in(user))["accessToken"]
    before = await talk.fresh(user)
    body = VALID.get(operation.name, {})
    header = {"Authorization": f"Bearer {token}"} if operation.kind == "self" else {}
    bodies = [({**body, field: value}, field) for field, value in forbidden(operation)]
    if "profile" in FIELDS[named(operation)]:
        bodies += [({**body, "profile": {field: value}}, f"profile.{field}") for field, value in PRIVILEGED.items()]
    for asked, field in bodies:
        reply = await front.ask(operation.subject, asked, **header)
        assert (reply.code, reply.body["error"]["field"]) == ("validation_failed", field)
    assert await talk.fresh(user) == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_duplicate_key_is_refused(talk: Talk, operation: Operation) -> None:
    """A service that checks the first of two and acts by the second is fooled: neither is taken."""
    user = await talk.member()
    token = (await talk.sign_in(user))["accessToken"]
    before = await talk.fresh(user)
    body = {"userId": UNKNOWN, **VALID.get(operation.name, {"metadata": {}})}
    headers = {"Authorization": f"Bearer {token}"} if operation.kind == "self" else None
    for again in body.items():
        pairs = [*body.items(), again]
        raw = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in pairs) + "}"
        reply = await talk.client.request(operation.subject, raw.encode(), timeout=10, headers=headers)
        assert json.loads(reply.data)["error"]["code"] == "malformed_message"
    assert await talk.fresh(user) == before


async def test_registered_user_has_no_privileged_field(talk: Talk, front: Talk) -> None:
    """Whatever the request says, the new user has no rights yet."""
    body = {"email": email(), "password": PASSWORD, "profile": {"firstName": "Ada", "locale": "de"}}
    user = (await front.public("Register", body)).body["user"]
    assert user == {
        **user,
        "status": "PENDING_VERIFICATION",
        "emailVerified": False,
        "externalId": None,
        "identities": [],
        "metadata": {},
        "appMetadata": {},
        "passwordChangeRequired": False,
        "profile": body["profile"],
    }
    assert await talk.fresh(user) == {**user, "loginCount": 0}


async def test_self_update_changes_own_fields_only(talk: Talk, front: Talk) -> None:
    user = await talk.member(appMetadata={"plan": "free"}, externalId=email())
    token = (await talk.sign_in(user))["accessToken"]
    changes = {"metadata": {"appMetadata": {"plan": "pro"}, "status": "x"}, "profile": {"displayName": "admin"}}
    changed = (await front.self(token, "UpdateUser", changes)).body["user"]
    for field in ("appMetadata", "externalId", "status", "email", "emailVerified", "id"):
        assert changed[field] == user[field]
    assert (changed["metadata"], changed["profile"]) == (changes["metadata"], changes["profile"])


async def test_self_request_acts_on_the_bearer_only(talk: Talk, front: Talk) -> None:
    """Not by a field, not by a header, not by the session of another."""
    thief, victim = await talk.member(), await talk.member()
    token, session = (await talk.sign_in(thief))["accessToken"], await talk.sign_in(victim)
    before = await talk.fresh(victim)
    for name, body in (
        ("UpdateUser", {"metadata": {"a": 1}}),
        ("DeleteUser", {}),
        ("LogOut", {}),
        ("ChangePassword", {"currentPassword": PASSWORD, "newPassword": "mine from now on"}),
        ("ChangeEmail", {"email": email(), "currentPassword": PASSWORD}),
        ("GetMe", {}),
        ("ListSessions", {}),
        ("GetLoginHistory", {}),
    ):
        reply = await front.self(token, name, {**body, "userId": victim["id"]})
        assert (reply.code, reply.body["error"]["field"]) == ("validation_failed", "userId"), name
    for headers in (
        {"Denizen_Actor": victim["id"]},
        {"Denizen_User": victim["id"]},
        {"X_User_Id": victim["id"]},
    ):
        shown = (await front.self(token, "GetMe", {}, **headers)).body
        assert shown["id"] == thief["id"]
        mine = (await front.self(token, "UpdateUser", {"metadata": headers}, **headers)).body["user"]
        assert mine["id"] == thief["id"]
    assert [each["id"] for each in (await front.self(token, "ListSessions")).body["data"]] != [session["sessionId"]]
    assert await talk.fresh(victim) == before
    assert await talk.alive(session)


async def test_actor_is_the_user_of_the_token(talk: Talk) -> None:
    """What the history says of who did it cannot be made up."""
    user = await talk.member()
    token = (await talk.sign_in(user))["accessToken"]
    reply = await talk.self(token, "UpdateUser", {"metadata": {"a": 1}}, Denizen_Actor="admin_7")
    at = reply.body["position"]
    history = await talk.query("GetUserHistory", {"userId": user["id"]}, Denizen_Min_Position=at)
    assert history.body["data"][0]["actor"] == user["id"]


async def test_session_of_another_user_cannot_be_ended(talk: Talk, front: Talk) -> None:
    """Neither in the table, nor by a revocation that every verifier would believe."""
    thief, victim = await talk.member(), await talk.member()
    token, session = (await talk.sign_in(thief))["accessToken"], await talk.sign_in(victim)
    own = await talk.sign_in(thief)
    heard = await talk.client.subscribe("users.v1.revocation.>")
    await talk.client.flush()
    named = {"Nats_Msg_Id": email()}
    for headers in ({}, named, named):
        reply = await front.self(token, "RevokeSession", {"sessionId": session["sessionId"]}, **headers)
        assert (reply.code, reply.body["error"]["field"]) == ("validation_failed", "sessionId")
    body = {"userId": thief["id"], "sessionId": session["sessionId"]}
    assert (await talk.command("RevokeSession", body)).code == "validation_failed"
    assert not (await front.self(token, "RevokeSession", {"sessionId": own["sessionId"]})).code
    told: list[str] = []
    while f"users.v1.revocation.session.{own['sessionId']}" not in told:
        told.append((await heard.next_msg(timeout=10)).subject)
    assert f"users.v1.revocation.session.{session['sessionId']}" not in told
    assert await talk.alive(session)


async def test_command_id_of_another_user_reveals_nothing(talk: Talk, front: Talk) -> None:
    """A repeat is answered as the first time, but only to who asked the first time."""
    victim, thief = await talk.member(metadata={"secret": "mine"}), await talk.member()
    key = email()
    await talk.done("UpdateUser", {"userId": victim["id"], "metadata": {"a": 1}}, Nats_Msg_Id=key)
    session = await talk.sign_in(victim)
    await front.self(session["accessToken"], "UpdateUser", {"metadata": {"a": 2}}, Nats_Msg_Id=key)
    token = (await talk.sign_in(thief))["accessToken"]
    stolen = await front.self(token, "UpdateUser", {"metadata": {"a": 3}}, Nats_Msg_Id=key)
    assert (stolen.body["user"]["id"], stolen.body["user"]["metadata"]) == (thief["id"], {"a": 3})
    registered = await front.public("Register", {"email": email(), "password": PASSWORD}, Nats_Msg_Id=key)
    assert registered.body["user"]["id"] not in (victim["id"], thief["id"])


def test_self_requests_differ_from_back_end_requests() -> None:
    """A field that is added to a command of back ends is not given to users by the way."""
    for operation in SELF.values():
        assert not issubclass(operation.request, m.UserRequest), operation.name
