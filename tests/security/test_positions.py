"""No position tells which addresses have an account: front ends and users see opaque ones, tokens none (threat 29)."""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from denizen import headers as h
from denizen.operations import PUBLIC, SELF

from tests.support.backend import Json, Reply, email
from tests.support.people import PASSWORD, Postbox, Talk

TRIES = 100
_NOT_POSITIONS = frozenset({"iat", "exp", "expiresIn", "version", "loginCount", "Nats-Service-Error-Code"})
_OPAQUE = re.compile(h.OPAQUE_POSITION_FORM)

Numbers = dict[str, int]
Look = Callable[[], Awaitable[Numbers]]


def numbers(reply: Reply) -> Numbers:
    """Every whole number of a reply by its path: of headers, the body, and the claims of its access token."""
    found = dict(_numbers("header", reply.headers))
    found |= dict(_numbers("body", reply.body))
    if token := reply.body.get("accessToken"):
        found |= dict(_numbers("claim", _claims(token)))
    return found


def _claims(token: str) -> Json:
    part = token.split(".")[1]
    claims: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _numbers(path: str, value: Any) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            if name not in _NOT_POSITIONS:
                yield from _numbers(f"{path}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            yield from _numbers(f"{path}.{index}", item)
    elif isinstance(value, int | str) and not isinstance(value, bool) and re.fullmatch(r"-?[0-9]+", str(value)):
        yield path, int(value)


def accuracy(steps: list[tuple[bool, int]]) -> float:
    """How often the best threshold tells, by how far a number went up, whether the address has an account.

    The steps have as many of the one as of the other; the threshold is chosen on the even ones, and tried on the odd.
    """
    learn, attempt = steps[::2], steps[1::2]
    rules = [(edge, sense) for edge in {step for _, step in learn} for sense in (True, False)]

    def right(part: list[tuple[bool, int]], edge: int, sense: bool) -> float:
        return sum(((step > edge) == sense) == known for known, step in part) / len(part)

    best = max(rules, key=lambda rule: right(learn, *rule))
    return right(attempt, *best)


async def signed_in(front: Talk, user: Json) -> str:
    reply = await front.public("Authenticate", {"email": user["email"], "password": PASSWORD})
    return str(reply.body["accessToken"])


@pytest.mark.slow
@pytest.mark.parametrize("guessed", ["Authenticate", "SendPasswordResetEmail"])
async def test_observer_of_positions_guesses_by_chance_only(talk: Talk, front: Talk, guessed: str) -> None:
    """Between two looks an address is tried: where a user has it, the log grows by more."""
    mine = await talk.member()
    token = await signed_in(front, mine)
    known = await asyncio.gather(*(talk.member() for _ in range(TRIES // 2)))
    tried = [(index % 4 in (0, 3), index) for index in range(TRIES)]  # As many of each among the even and the odd.

    async def look() -> Numbers:
        """All that a user sees who signs in, changes something, and reads it."""
        login = await front.public("Authenticate", {"email": mine["email"], "password": PASSWORD})
        refreshed = await front.public("RefreshSession", {"refreshToken": login.body["refreshToken"]})
        changed = await front.self(token, "UpdateUser", {"metadata": {"at": email()}})
        me = await front.self(token, "GetMe", Denizen_Min_Position=changed.body["position"])
        history = await front.self(token, "GetLoginHistory", {"count": 1})
        looks = {"login": login, "refreshed": refreshed, "changed": changed, "me": me, "history": history}
        assert not [name for name, reply in looks.items() if reply.code]
        return {f"{name} {path}": value for name, reply in looks.items() for path, value in numbers(reply).items()}

    async def attempt(address: str) -> None:
        body = {"email": address}
        await front.public(guessed, body | ({"password": "not the password"} if guessed == "Authenticate" else {}))

    steps: dict[str, list[tuple[bool, int]]] = {}
    before = await look()
    for exists, index in tried:
        await attempt(known[index // 2]["email"] if exists else email())
        after = await look()
        for path in before.keys() & after.keys():
            steps.setdefault(path, []).append((exists, after[path] - before[path]))
        before = after
    assert any("header.Denizen-Position" in path for path in steps), "the test looks at what there is"
    told = {path: accuracy(each) for path, each in steps.items() if len(each) == TRIES}
    # Fifty tosses of a coin: as far from a half as this once in some 20,000 tests.
    assert {path: rate for path, rate in told.items() if rate >= 0.78} == {}


async def test_positions_for_a_front_end_are_opaque_and_never_equal(talk: Talk, front: Talk, post: Postbox) -> None:
    """Whatever is asked: no header, field or claim has the position of the log."""
    address = email()
    registered = await front.public("Register", {"email": address, "password": PASSWORD})
    await front.public("SendVerificationEmail", {"userId": registered.body["user"]["id"]})
    code = await post.code(address)
    verified = await front.public("VerifyEmail", {"userId": registered.body["user"]["id"], "code": code})
    entered = await front.public("Authenticate", {"email": address, "password": PASSWORD})
    again = await front.public("Authenticate", {"email": address, "password": PASSWORD})
    token = entered.body["accessToken"]
    asked: list[tuple[str, Json]] = [
        ("UpdateUser", {"metadata": {"a": 1}}),
        ("UpdateUser", {}),
        ("ChangeEmail", {"email": email(), "currentPassword": PASSWORD}),
        ("LinkIdentity", {"provider": "github", "providerId": email(), "currentPassword": PASSWORD}),
        ("RevokeSession", {"sessionId": again.body["sessionId"]}),
        ("GetMe", {}),
        ("ListIdentities", {}),
        ("ListSessions", {}),
        ("GetLoginHistory", {"count": 1}),
        ("LogOut", {}),
    ]
    replies = [registered, verified, entered, again]
    replies += [await front.self(token, name, body) for name, body in asked]
    shown: list[str] = []
    for reply in replies:
        assert not reply.code, reply.data
        shown += [reply.headers[h.POSITION]] if h.POSITION in reply.headers else []
        body = reply.body
        assert body.get("position") in (None, reply.headers.get(h.POSITION))
        shown += [body["nextCursor"]] if body.get("nextCursor") else []
    assert len(shown) >= 12
    assert all(_OPAQUE.fullmatch(each) for each in shown)
    assert len(set(shown)) == len(shown)
    head = int(await talk.now())
    for reply in (entered, again):
        assert _claims(reply.body["accessToken"])["pos"] >= 2**32 > head, "of the user's own history"


async def test_opaque_position_is_waited_for(talk: Talk, front: Talk) -> None:
    user = await talk.member()
    token = await signed_in(front, user)
    for number in range(20):
        changed = await front.self(token, "UpdateUser", {"metadata": {"n": number}})
        at = {"Denizen_Min_Position": changed.body["position"]}
        assert (await front.self(token, "GetMe", **at)).body["metadata"] == {"n": number}
        assert (await talk.query("GetUser", {"userId": user["id"]}, **at)).body["metadata"] == {"n": number}
    nothing = await front.self(token, "UpdateUser", {"metadata": {"n": 19}})
    assert not (await front.self(token, "GetMe", Denizen_Min_Position=nothing.body["position"])).code


async def test_forged_position_is_refused(talk: Talk, front: Talk) -> None:
    token = await signed_in(front, await talk.member())
    forged = "-" + "1" * 116
    reply = await front.self(token, "GetMe", Denizen_Min_Position=forged)
    assert (reply.code, reply.body["error"]["field"]) == ("validation_failed", h.MIN_POSITION)
    for cursor in (forged, "12"):
        reply = await front.self(token, "GetLoginHistory", {"cursor": cursor})
        assert (reply.code, reply.body["error"]["field"]) == ("validation_failed", "cursor"), cursor


async def test_number_as_min_position_of_a_user_reveals_nothing(talk: Talk, front: Talk) -> None:
    """Otherwise a caller who tries numbers would find how far the log is."""
    token = await signed_in(front, await talk.member())
    head = int(await talk.now())
    for number in (0, 1, head, head + 1, head + 10**6, 10**18 - 1):
        assert not (await front.self(token, "GetMe", Denizen_Min_Position=str(number))).code, number


async def test_own_login_history_goes_page_by_page(talk: Talk, front: Talk) -> None:
    user = await talk.member()
    tokens = [await signed_in(front, user) for _ in range(5)]
    times: list[str] = []
    cursor: Json = {}
    for _ in range(5):
        page = await front.self(tokens[0], "GetLoginHistory", {"count": 1, **cursor}, Denizen_Min_Position="latest")
        times += [each["time"] for each in page.body["data"]]
        cursor = {"cursor": page.body["nextCursor"]}
    assert cursor == {"cursor": None}
    assert all(later > earlier for later, earlier in pairwise(times))


def test_front_end_operations_have_no_number_as_position() -> None:
    """The contract says so of each."""
    for operation in (*PUBLIC.values(), *SELF.values()):
        for name, field in operation.reply.model_fields.items():
            assert name != "position" or field.annotation is not int, operation.id
