"""Signing in by the Python clients, blocking and async; and no secret leaves them as it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import nats
import pytest
from denizen import (
    AsyncClient,
    Client,
    CodeInvalid,
    EmailNotVerified,
    InvalidCredentials,
    PasswordChangeRequired,
    TokenInvalid,
    TooManyAttempts,
    UserBlocked,
    UserDeactivated,
    WeakPassword,
)
from denizen.operations import OPERATIONS
from nats.aio.msg import Msg

from tests.support.backend import email
from tests.support.people import PASSWORD, Postbox
from tests.support.servers import Denizen

NEW = "another good one 77"


@pytest.fixture
def client(denizen: Denizen) -> Iterator[Client]:
    with Client(denizen.nats_url) as connected:
        yield connected


@pytest.fixture
async def async_client(denizen: Denizen) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(denizen.nats_url) as connected:
        yield connected


@pytest.fixture(scope="session")
def post(denizen: Denizen) -> Postbox:
    return Postbox(denizen)


def test_snippets_of_the_product_page_work(client: Client, post: Postbox) -> None:
    address = email()
    result = client.auth.users.register(
        email=address, password="SecurePassword123!", profile={"firstName": "John", "lastName": "Doe"}
    )
    assert result
    if not result.email_verified:
        client.auth.users.send_verification_email(result.id)
    code = asyncio.run(post.code(address))
    client.auth.users.verify_email(result.id, code=code)
    user = client.auth.users.get(result.id)
    assert user.email_verified
    client.auth.users.change_password(user.id, current_password="SecurePassword123!", new_password="NewPassword456!")
    client.auth.users.reset_password(user.id, password="TemporaryPassword123!", require_change=True)
    client.auth.users.send_password_reset_email(address)
    token = asyncio.run(post.token(address))
    assert client.auth.users.confirm_password_reset(token=token, password=PASSWORD).status == "ACTIVE"
    client.auth.sessions.authenticate(email=address, password=PASSWORD, ip="192.0.2.7", user_agent="Firefox")
    user = client.auth.users.get(user.id)
    assert (user.login_count, user.last_login_ip) == (1, "192.0.2.7")
    (login,) = client.auth.users.login_history(user.id)
    assert (user.last_login_at, login.outcome, login.user_agent) == (login.time, "succeeded", "Firefox")
    client.auth.users.delete(user.id)


@pytest.mark.parametrize("written", ["Firefox\udcff", "Fire\x00fox", "Firefox\t" * 200])
def test_user_agent_that_utf_8_cannot_hold_signs_in(client: Client, written: str) -> None:
    """As servers that decode headers octet by octet give it: the user cannot mend it."""
    user = client.auth.users.create(email=email(), password=PASSWORD, email_verified=True)
    client.auth.sessions.authenticate(email=user.email, password=PASSWORD, user_agent=written)
    (login,) = client.auth.users.login_history(user.id)
    assert login.user_agent
    assert login.user_agent.startswith("Fire")


def test_sessions_are_listed_refreshed_and_revoked(client: Client) -> None:
    user = client.auth.users.create(email=email(), password=PASSWORD, email_verified=True)
    sessions = client.auth.sessions
    first = sessions.authenticate(email=user.email, password=PASSWORD)
    second = sessions.authenticate(email=user.email, password=PASSWORD, ip="2001:db8::1")
    assert (first.user.id, first.expires_in) == (user.id, 300)
    assert first.access_token not in repr(first)
    assert first.refresh_token not in repr(first)
    facts = sessions.verify(first.access_token)
    assert (facts.user_id, facts.session_id) == (user.id, first.session_id)
    assert [each.id for each in sessions.list(user.id)] == [second.session_id, first.session_id]
    refreshed = sessions.refresh(second.refresh_token)
    assert refreshed.session_id == second.session_id
    assert sessions.refresh(second.refresh_token).refresh_token == refreshed.refresh_token, "another tab was first"
    sessions.refresh(refreshed.refresh_token)
    with pytest.raises(TokenInvalid):
        sessions.refresh(second.refresh_token)
    assert [each.id for each in sessions.list(user.id)] == [first.session_id], "who used it twice is out"
    sessions.revoke(user.id, first.session_id)
    with pytest.raises(TokenInvalid):
        sessions.verify(first.access_token)
    third = sessions.authenticate(email=user.email, password=PASSWORD)
    sessions.revoke_all(user.id)
    with pytest.raises(TokenInvalid):
        sessions.verify(third.access_token)
    assert len(sessions.list(user.id)) == 0


def test_authenticate_is_repeated_by_its_key(client: Client) -> None:
    user = client.auth.users.create(email=email(), password=PASSWORD, email_verified=True)
    key = email()
    pairs = [
        client.auth.sessions.authenticate(email=user.email, password=PASSWORD, idempotency_key=key) for _ in range(2)
    ]
    assert pairs[0].refresh_token == pairs[1].refresh_token
    assert len(client.auth.sessions.list(user.id)) == 1


async def test_me_has_every_call_of_a_signed_in_user(async_client: AsyncClient, post: Postbox) -> None:
    users, sessions = async_client.auth.users, async_client.auth.sessions
    user = await users.create(email=email(), password=PASSWORD, email_verified=True)
    session = await sessions.authenticate(email=user.email, password=PASSWORD)
    other = await sessions.authenticate(email=user.email, password=PASSWORD)
    me = async_client.auth.me(session.access_token)
    updated = await me.update(profile={"firstName": "Ada"}, metadata={"theme": "dark"})
    assert (await me.get()).version == updated.version, "a client reads its own writes"
    assert (await me.get()).login_count == 2
    assert [(each.id, each.current) for each in await me.list_sessions()] == [
        (other.session_id, False),
        (session.session_id, True),
    ]
    page = await me.login_history(count=1)
    assert [each.outcome for each in page] == ["succeeded"]
    assert len(await me.login_history(cursor=page.next_cursor)) == 1
    await me.revoke_session(other.session_id)
    assert len(await me.list_sessions()) == 1
    address = email()
    with pytest.raises(InvalidCredentials):
        await me.change_email(address)
    await me.change_email(address, current_password=PASSWORD)
    assert (await users.verify_email(user.id, code=await post.code(address))).email == address
    await me.change_password(current_password=PASSWORD, new_password=NEW)
    with pytest.raises(TokenInvalid):
        await me.get()
    session = await sessions.authenticate(email=address, password=NEW)
    me = async_client.auth.me(session.access_token)
    await me.log_out()
    with pytest.raises(TokenInvalid):
        await me.list_sessions()
    me = async_client.auth.me((await sessions.authenticate(email=address, password=NEW)).access_token)
    linked = await me.link_identity(provider="google", provider_id=address)
    assert [each.provider for each in linked.identities] == ["google"]
    assert (await me.unlink_identity(provider="google", provider_id=address, current_password=NEW)).identities == ()
    with pytest.raises(InvalidCredentials):
        await me.delete(current_password="not the password")
    await me.delete(current_password=NEW)
    with pytest.raises(InvalidCredentials):
        await sessions.authenticate(email=address, password=NEW)


def test_blocking_me_has_every_call_of_a_signed_in_user(client: Client) -> None:
    user = client.auth.users.create(email=email(), password=PASSWORD, email_verified=True)
    me = client.auth.me(client.auth.sessions.authenticate(email=user.email, password=PASSWORD).access_token)
    assert me.update(metadata={"a": 1}).metadata == {"a": 1}
    assert me.get().id == user.id
    assert len(me.list_sessions()) == len(me.login_history()) == 1
    me.change_password(current_password=PASSWORD, new_password=NEW)
    with pytest.raises(TokenInvalid):
        me.get()


def test_refusals_raise_the_error_of_their_code(client: Client) -> None:
    users, sessions = client.auth.users, client.auth.sessions
    user = users.create(email=email(), password=PASSWORD)
    with pytest.raises(EmailNotVerified) as pending:
        sessions.authenticate(email=user.email, password=PASSWORD)
    assert pending.value.details == [{"userId": user.id}]
    with pytest.raises(WeakPassword) as weak:
        users.reset_password(user.id, password="password")
    assert weak.value.field == "password"
    with pytest.raises(CodeInvalid):
        users.verify_email(user.id, code="000000")
    user = users.create(email=email(), password=PASSWORD, email_verified=True)
    users.reset_password(user.id, password=NEW, require_change=True)
    with pytest.raises(PasswordChangeRequired):
        sessions.authenticate(email=user.email, password=NEW)
    users.block(user.id)
    with pytest.raises(UserBlocked):
        sessions.authenticate(email=user.email, password=NEW)
    users.unblock(user.id)
    users.deactivate(user.id)
    with pytest.raises(UserDeactivated):
        sessions.authenticate(email=user.email, password=NEW)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            sessions.authenticate(email=user.email, password=PASSWORD, ip="192.0.2.200")
    with pytest.raises(TooManyAttempts):
        sessions.authenticate(email=user.email, password=PASSWORD, ip="192.0.2.200")


def frontend_options(denizen: Denizen) -> dict[str, Any]:
    return {"user": "frontend", "password": denizen.nats_password("frontend")}


def test_front_end_client_uses_public_and_self_subjects(denizen: Denizen, client: Client) -> None:
    with Client(denizen.nats_url, **frontend_options(denizen)) as front:
        registered = front.auth.users.register(email=email(), password=PASSWORD)
        assert registered
        user = client.auth.users.create(email=email(), password=PASSWORD, email_verified=True)
        session = front.auth.sessions.authenticate(email=user.email, password=PASSWORD)
        session = front.auth.sessions.refresh(session.refresh_token)
        assert front.auth.me(session.access_token).get().id == user.id
        front.auth.users.send_password_reset_email(user.email)
        front.auth.me(session.access_token).delete()


# --- what is on the wire ------------------------------------------------------------------------------------------


async def test_secrets_leave_the_client_sealed(denizen: Denizen, post: Postbox) -> None:
    """As seen by who may listen to requests: the connection that answers them."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    password = denizen.nats_password("responder")
    tap = await nats.connect(denizen.nats_url, user="responder", password=password)
    for kind in ("command", "public", "self"):
        await tap.subscribe(f"users.v1.{kind}.*", cb=hear)
    await tap.flush()
    address, new_address = email(), email()
    async with AsyncClient(denizen.nats_url) as client:
        users, sessions = client.auth.users, client.auth.sessions
        user = await users.register(email=address, password=PASSWORD)
        assert user
        await users.create(email=email(), password_hash="$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
        await users.send_verification_email(user.id)
        code = await post.code(address)
        await users.verify_email(user.id, code=code)
        session = await sessions.authenticate(email=address, password=PASSWORD)
        await sessions.refresh(session.refresh_token)
        await users.change_password(user.id, current_password=PASSWORD, new_password=NEW)
        await users.reset_password(user.id, password=PASSWORD)
        await users.send_password_reset_email(address)
        token = await post.token(address)
        await users.confirm_password_reset(token=token, password=NEW)
        me = client.auth.me((await sessions.authenticate(email=address, password=NEW)).access_token)
        await me.change_email(new_address, current_password=NEW)
        await me.change_password(current_password=NEW, new_password=PASSWORD)
    await tap.flush()
    await tap.close()
    bodies = {
        (message.subject, message.headers and message.headers.get("Nats-Msg-Id")): message.data for message in heard
    }
    mine = [
        data for data in bodies.values() if any(each.encode() in data for each in (user.id, address, "refreshToken"))
    ]
    assert len(mine) >= 8
    secrets = 0
    for (subject, _), data in bodies.items():
        operation = next(each for each in OPERATIONS.values() if each.subject == subject)
        body = json.loads(data)
        for field in operation.request.secrets() & body.keys():
            secrets += 1
            assert body[field].startswith("sealed:"), (subject, field)
    assert secrets >= 13
    everything = b"".join(bodies.values())
    for secret in (
        PASSWORD,
        NEW,
        token,
        session.refresh_token,
        "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    ):
        assert secret.encode() not in everything
    assert f'"{code}"'.encode() not in everything
