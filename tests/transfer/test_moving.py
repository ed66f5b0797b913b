"""Users move from one Denizen into an empty one, by the command line: the same users, who log in as before."""

import json
from collections.abc import Iterator
from pathlib import Path

import denizen as contract
import pytest

from tests.cli.test_commands import Shell
from tests.support.servers import Denizen, eventually
from tests.transfer.support import HASHES, PASSWORD, Json, name

COUNT = 2000
_NEW = ("version", "loginCount", "lastLoginAt", "lastLoginIp")
"""What tells of this Denizen."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Denizen]:
    """A second Denizen, empty."""
    instance = Denizen(tmp_path_factory.mktemp("other") / "home")
    instance.start()
    yield instance
    assert instance.stop() == 0


def made(job: str, number: int) -> Json:
    row: Json = {
        "email": f"{job}.{number}@b\u00fccher.example",
        "emailVerified": number % 7 != 0,
        "passwordHash": HASHES[number % 2],
        "externalId": f"=crm-{number}",
        "profile": {
            "firstName": "Zo\u00eb",
            "lastName": f'O\'Neil, "{number}"',
            "displayName": "+\U0001f469\u200d\U0001f4bb",
        },
        "metadata": {"plan": "-1", "n": number, "deep": {"list": [1, 2.5, None, "\t=1"]}},
        "createdAt": f"20{number % 26:02}-02-03T04:05:06.{number:06}Z",
    }
    if number % 3 == 0:
        row["identities"] = [{"provider": "google", "providerId": f"{job}.{number}"}]
    if number % 11 == 0:
        row["status"] = ("BLOCKED", "DEACTIVATED")[number % 2]
    if number % 13 == 0:
        row["passwordChangeRequired"] = True
    return row


def exported(shell: Shell, count: int, *arguments: str) -> bytes:
    """An export, as soon as the projections have all."""

    def there() -> bytes | None:
        code, out, err = shell.run("export", "--output", str(path), "--with-hashes", *arguments)
        assert code == 0, (out, err)
        data = path.read_bytes()
        return data if data.count(b"@b\xc3\xbccher.example") == count else None

    path = Path(shell.environment["DENIZEN_HOME"]).parent / "export"
    found: bytes = eventually(there, 30, "the users")
    return found


def users(data: bytes) -> dict[str, Json]:
    found = map(json.loads, data.splitlines())
    return {user["id"]: {name: value for name, value in user.items() if name not in _NEW} for user in found}


def live(client: contract.Client, job: str) -> None:
    """What happens to users after they came: changed, linked, blocked, deactivated, both, and signed in."""
    auth = client.auth
    ids = [auth.users.get_by_email(made(job, number)["email"]).id for number in range(1, 7)]
    auth.users.update(ids[0], profile={"firstName": "Sam"})
    auth.users.link_identity(ids[1], provider="github", provider_id=job)
    auth.users.block(ids[2])
    auth.users.deactivate(ids[3])
    auth.users.block(ids[4])
    auth.users.update(ids[4], metadata={"after": True})
    auth.users.block(ids[5])
    auth.users.deactivate(ids[5])
    auth.sessions.authenticate(email=made(job, 1)["email"], password=PASSWORD)
    auth.users.get(ids[5])  # Once this client is shown it, an export shows it.


@pytest.mark.slow
@pytest.mark.embedded
def test_moved_users_are_the_same_and_sign_in(own_denizen: Denizen, other: Denizen, tmp_path: Path) -> None:
    job = name()
    file = tmp_path / "users.jsonl"
    file.write_text("\n".join(json.dumps(made(job, number)) for number in range(COUNT)))
    here, there = Shell(own_denizen.home), Shell(other.home)
    assert here.json("import", str(file))["created"] == COUNT
    exported(here, COUNT)
    with contract.Client(own_denizen.nats_url) as old:
        live(old, job)
        before = users(exported(here, COUNT))
    assert len(before) == COUNT
    sample = next(iter(before.values()))
    assert sample["passwordHash"] in HASHES

    moved = tmp_path / "moved.csv"
    moved.write_bytes(exported(here, COUNT, "--format", "csv"))
    done = there.json("import", str(moved))
    assert (done["created"], done["failed"]) == (COUNT, 0)
    after = users(exported(there, COUNT))
    for user_id, user in before.items():
        assert after[user_id] == user
    assert after == before

    # The same by JSONL, over those who are there by now: nothing changes for any user.
    moved = tmp_path / "moved.jsonl"
    moved.write_bytes(exported(here, COUNT))
    done = there.json("import", str(moved), "--on-conflict", "update")
    assert (done["updated"], done["failed"]) == (COUNT, 0)
    assert users(exported(there, COUNT)) == before

    with contract.Client(own_denizen.nats_url) as old, contract.Client(other.nats_url) as new:
        for number in (*range(1, 5), 7, 11, 13, 22, 1999):
            address = made(job, number)["email"]
            assert outcome(new, address) == outcome(old, address)
        assert outcome(new, made(job, 1)["email"]) == "in"


def outcome(client: contract.Client, address: str) -> str:
    try:
        client.auth.sessions.authenticate(email=address, password=PASSWORD)
    except contract.DenizenError as error:
        return error.code
    return "in"
