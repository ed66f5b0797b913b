"""No personal data where it must not be: events, JetStream's files, logs, and as plain text the tables of the log."""

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any

import nats
import psycopg
import pytest
from nats.aio.msg import Msg
from psycopg import sql

from tests.support.servers import Denizen, eventually

TABLES_OF_THE_LOG = ["events", "log_head", "claims", "data_keys", "commands", "key_checks"]


@pytest.fixture
def canaries() -> dict[str, str]:
    """A word for each personal field, found nowhere else."""
    fields = ["email", "firstName", "lastName", "displayName", "picture", "key", "value", "app", "external", "reason"]
    return {field: f"canary{field.lower()}{secrets.token_hex(8)}" for field in fields}


async def test_personal_data_is_plain_text_in_projections_only(denizen: Denizen, canaries: dict[str, str]) -> None:
    client = await nats.connect(denizen.nats_url, inbox_prefix=b"_INBOX.backend")
    seen = await client.subscribe("users.v1.event.>")
    body: dict[str, Any] = {
        "email": f"{canaries['email']}@example.com",
        "externalId": canaries["external"],
        "profile": {
            "firstName": canaries["firstName"],
            "lastName": canaries["lastName"],
            "displayName": canaries["displayName"],
            "picture": f"https://example.com/{canaries['picture']}",
        },
        "metadata": {canaries["key"]: canaries["value"]},
        "appMetadata": {canaries["app"]: 1},
    }

    async def command(name: str, request: dict[str, Any]) -> Msg:
        headers = {"Nats-Msg-Id": secrets.token_hex(8)}
        return await client.request(
            f"users.v1.command.{name}", json.dumps(request).encode(), timeout=5, headers=headers
        )

    user = json.loads((await command("CreateUser", body)).data)["user"]
    await command("UpdateUser", {"userId": user["id"], "profile": body["profile"] | {"lastName": None}})
    await command("UpdateUser", {"userId": user["id"], "metadata": {canaries["key"]: None}})
    await command("BlockUser", {"userId": user["id"], "reason": canaries["reason"]})
    assert b"email_taken" in (await command("CreateUser", body)).data
    assert b"validation_failed" in (await command("CreateUser", body | {"profile": {"locale": canaries["value"]}})).data
    assert b"malformed" in (await command("CreateUser", body | {"metadata": {"a": f"{canaries['value']}\0"}})).data
    types: set[str] = set()
    while types != {"UserCreated", "UserUpdated", "UserBlocked"}:
        message = await seen.next_msg(timeout=10)
        if message.subject.endswith(user["id"]):
            types.add(message.subject.split(".")[3])
            assert_clean(message.data + json.dumps(dict(message.headers or {})).encode(), canaries, message.subject)
    await client.close()

    # nats-server writes a stream of ours a little later (docs/decisions/0005): wait until the event is in its files.
    eventually(lambda: any(user["id"].encode() in content for _, content in files(denizen, "nats")), 20, "the write")
    for directory in ("nats", "log"):
        for path, content in files(denizen, directory):
            assert_clean(content, canaries, path)
    assert_clean(denizen.errors().encode(), canaries, "stderr")
    with psycopg.connect(denizen.database_url) as connection:
        for table in TABLES_OF_THE_LOG:
            query = sql.SQL("select t::text from denizen.{} t").format(sql.Identifier(table))
            for row in connection.execute(query):
                assert_clean(str(row[0]).encode(), canaries, table)


def files(denizen: Denizen, directory: str) -> Iterator[tuple[str, bytes]]:
    """Every file below a directory of the home, and what is in it."""
    for path in (denizen.home / directory).rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def assert_clean(content: bytes, canaries: dict[str, str], where: str) -> None:
    """None of the words is in there, plain, in hexadecimal or in base64."""
    lowered = content.lower()
    for field, word in canaries.items():
        plain = word.encode()
        # The middle of a base64 text is the same wherever the word begins, at one of three places.
        encoded = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
        for form in (plain, plain.hex().encode()):
            assert form not in lowered, f"{field} in {where}"
        for form in encoded:
            assert form not in content, f"{field} in base64 in {where}"
