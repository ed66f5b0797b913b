"""Hashes of passwords go to operators who ask for them; nothing of an import or export is in a log."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from services.embedded.home import Home
from tests.support.people import Talk, talking
from tests.support.servers import Denizen
from tests.transfer.support import HASHES, PASSWORD, Json, name

EXPORT, WITH_HASHES = "users.v1.query.ExportUsers", "users.v1.query.ExportUsersWithHashes"


@asynccontextmanager
async def as_user(denizen: Denizen, user: str) -> AsyncGenerator[tuple[Client, list[str]]]:
    """A connection of a NATS user, and what NATS has refused it."""
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error).lower())

    password = Home(denizen.home).password(f"nats-{user}")
    client = await nats.connect(
        denizen.nats_url, user=user, password=password, inbox_prefix=f"_INBOX.{user}".encode(), error_cb=note
    )
    try:
        yield client, refused
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("user", "subjects"),
    [
        ("backend", [WITH_HASHES]),
        *(
            (user, [WITH_HASHES, EXPORT, f"{EXPORT}-0123", "users.v1.command.ImportUsers"])
            for user in ("frontend", "subscriber")
        ),
    ],
)  # fmt: skip
async def test_hashes_are_refused_to_other_nats_users(denizen: Denizen, user: str, subjects: list[str]) -> None:
    async with as_user(denizen, user) as (client, refused):
        for subject in subjects:
            refused.clear()
            heard = await client.subscribe(f"_INBOX.{user}.x")
            await client.publish(subject, b'{"fields": ["email", "passwordHash"]}', reply=f"_INBOX.{user}.x")
            async with asyncio.timeout(5):
                while not refused:
                    await client.flush()
                    await asyncio.sleep(0.01)
            assert refused[0] == f'nats: permissions violation for publish to "{subject}"'.lower(), refused
            assert heard.pending_msgs == 0
            await heard.unsubscribe()


async def test_hashes_are_exported_to_the_operator(denizen: Denizen) -> None:
    """That the others are refused means something only if the operator is answered."""
    row = {"email": f"{name()}@example.com", "passwordHash": HASHES[0]}
    async with talking(denizen) as backend:
        await _shown(backend, row)
    async with as_user(denizen, "operator") as (client, _):
        data = await _exported(client, WITH_HASHES, fields=["email", "passwordHash"])
        found = {user["email"]: user["passwordHash"] for user in map(json.loads, data.splitlines())}
        assert found[row["email"]] == HASHES[0]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
async def test_export_has_hashes_only_on_request(denizen: Denizen, form: str) -> None:
    row = {"email": f"{name()}@example.com", "passwordHash": HASHES[0]}
    async with talking(denizen) as backend:
        await _shown(backend, row)
        for fields in ([], ["id", "email", "profile", "metadata", "appMetadata", "identities"]):
            data = await _exported(backend.client, EXPORT, format=form, fields=fields)
            assert row["email"].encode() in data
            for hashed in (HASHES[0], HASHES[1], "$argon2", "$2b$", "passwordHash"):
                assert hashed.encode() not in data
        refused = await backend.query("ExportUsers", {"format": form, "fields": ["email", "passwordHash"]})
        assert refused.code == "forbidden"


async def _shown(backend: Talk, row: Json) -> None:
    """Import a user, and wait until the projections have them."""
    reply = await backend.done("ImportUsers", {"users": [row]})
    await backend.fresh({"id": reply["results"][0]["userId"]})


async def _exported(client: Client, subject: str, **asked: Any) -> bytes:
    """All pieces."""
    reply = await client.request(subject, json.dumps(asked).encode(), timeout=10)
    pieces = [reply.data]
    while follows := (reply.headers or {}).get("Denizen-Export"):
        reply = await client.request(follows, json.dumps({"piece": len(pieces)}).encode(), timeout=10)
        pieces.append(reply.data)
    return b"".join(pieces)


async def test_imports_and_exports_log_no_values(denizen: Denizen) -> None:
    canary = name()
    rows = [
        {"email": f"{canary}@example.com", "passwordHash": HASHES[0], "profile": {"firstName": canary}},
        {"email": f"{canary}2@example.com", "password": f"{PASSWORD} {canary}", "externalId": canary},
        {"email": f"{canary}3@example.com", "passwordHash": f"$2b$31${canary}"},
        {"email": f"{canary}@", "metadata": {canary: canary}},
    ]
    async with talking(denizen) as backend:
        reply = await backend.done("ImportUsers", {"users": rows, "importId": name(), "chunk": 0})
        assert (reply["success"], reply["failed"]) == (2, 2)
        assert canary not in json.dumps(reply)
        await backend.fresh({"id": reply["results"][0]["userId"]})
        await backend.query("ExportUsers", {"fields": [canary]})
    for path in (denizen.home / "log").iterdir():
        assert canary.encode() not in path.read_bytes(), path.name
    assert canary not in denizen.errors()
