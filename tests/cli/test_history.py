"""`denizen users history`, `identities` and `get --as-of` as people type them."""

import json
from typing import Any

import pytest
from denizen import Client

from tests.cli.test_commands import Shell, email
from tests.support.servers import Denizen


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


def rows(out: str) -> list[list[str]]:
    return [line.split("\t") for line in out.splitlines()]


def test_history_and_as_of_show_earlier_states(shell: Shell) -> None:
    user: dict[str, Any] = shell.json("users", "create", "--email", email(), "--verified", "--actor", "ada")
    shell.json("users", "update", user["id"], "--metadata", json.dumps({"plan": "pro", "note": "x\ty" * 50}))
    blocked = shell.json("users", "block", user["id"], "--reason", "fraud", "--actor", "bob")
    page = shell.json("users", "history", user["id"])
    assert [each["type"] for each in page["data"]] == ["UserBlocked", "UserUpdated", "UserCreated"]
    code, out, err = shell.run("users", "history", user["id"])
    assert (code, err) == (0, "")
    block, update, creation = rows(out)
    assert (block[1], block[2], block[4]) == ("UserBlocked", "bob", "fraud")
    assert 'status: "ACTIVE" -> "BLOCKED"' in block[3]
    assert 'metadata.plan: null -> "pro"' in update[3]
    assert "\N{HORIZONTAL ELLIPSIS}" in update[3]
    assert (creation[1], creation[2]) == ("UserCreated", "ada")
    # What a row shows as its time is the time at which it had happened.
    then = shell.json("users", "get", user["id"], "--as-of", update[0])
    assert (then["status"], then["metadata"]["plan"]) == ("ACTIVE", "pro")
    assert shell.json("users", "get", user["id"], "--as-of", creation[0])["metadata"] == {}
    assert shell.json("users", "get", user["id"], "--as-of", block[0])["status"] == blocked["status"] == "BLOCKED"
    code, out, err = shell.run("users", "history", user["id"], "--count", "2")
    assert [row[1] for row in rows(out)] == ["UserBlocked", "UserUpdated"]
    option, cursor = err.split()
    assert [row[1] for row in rows(shell.run("users", "history", user["id"], option, cursor)[1])] == ["UserCreated"]


def test_identities_of_a_user_are_listed(shell: Shell, denizen: Denizen) -> None:
    user = shell.json("users", "create", "--email", email())
    assert shell.run("users", "identities", user["id"]) == (0, "", ""), "it shows what the command before it wrote"
    there = user["id"]
    with Client(denizen.nats_url) as client:
        client.auth.users.link_identity(user["id"], provider="google", provider_id=there)
    code, out, _ = shell.run("users", "identities", user["id"])
    ((provider, provider_id, linked),) = rows(out)
    assert (code, provider, provider_id, linked[-1]) == (0, "google", there, "Z")
    (found,) = shell.json("users", "identities", user["id"])["data"]
    assert (found["provider"], found["providerId"]) == ("google", there)


def test_history_of_an_unknown_user_is_refused(shell: Shell) -> None:
    unknown = "user_01h455vb4pex5vsknk084sn02q"
    for command in ("history", "identities", "login-history"):
        code, out, err = shell.run("users", command, unknown)
        assert (code, out, err.partition(":")[0]) == (1, "", "user_not_found")
    code, _, err = shell.run("users", "get", unknown, "--as-of", "2020-01-01")
    assert (code, err.partition(":")[0]) == (1, "user_not_found")
    for wrong in (
        ["get", unknown, "--as-of", "yesterday"],
        ["get", "--email", "a@example.com", "--as-of", "2020-01-01"],
    ):
        assert shell.run("users", *wrong)[0] == 2
