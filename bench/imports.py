"""Processor time and memory of imports, the client's included, beside another version of Denizen in the same run."""

import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import typer

from bench import cost, transfer
from bench.report import Row
from bench.system import System

_SETTLED_SECONDS = 1.0
"""After an import, until the projector, the relay and nats-server have done their part of it."""
_WATCH_SECONDS = 0.25
_SHOWN = ("client", "transfer")
"""Processes whose memory is shown."""
_KEY = "kwQTuRTo4aIQHvVBuTtLzz10fBwfRsx3Ktqcj0VuOSk="
_SALT = "cJjf3wWQf3Nyx9dqz7cV6w=="
_Users = Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Source:
    """A kind of file: how it is written, and the arguments of `denizen import` that it needs."""

    name: str
    ending: str
    write: Callable[[_Users], Iterator[bytes]]
    arguments: tuple[str, ...] = ()


def _jsonl(users: _Users) -> Iterator[bytes]:
    return (orjson.dumps(user) + b"\n" for user in users)


def _csv(users: _Users) -> Iterator[bytes]:
    plain = ("email", "emailVerified", "externalId", "passwordHash", "createdAt")
    profile = ("firstName", "lastName", "locale")
    yield ",".join([*plain, *(f"profile.{name}" for name in profile), "metadata"]).encode() + b"\n"
    for user in users:
        cells = [*(user[name] for name in plain), *(user["profile"][name] for name in profile)]
        text = io.StringIO()
        csv.writer(text).writerow([*cells, json.dumps(user["metadata"])])
        yield text.getvalue().encode()


def _auth0(users: _Users) -> Iterator[bytes]:
    """Rows of a user export with password hashes."""
    for user in users:
        who, profile = user["externalId"], user["profile"]
        row = {
            "user_id": f"auth0|{who}",
            "email": user["email"],
            "email_verified": True,
            "name": f"{profile['firstName']} {profile['lastName']}",
            "given_name": profile["firstName"],
            "family_name": profile["lastName"],
            "nickname": who,
            "picture": f"https://s.gravatar.com/avatar/{who}?s=480&r=pg",
            "created_at": "2024-05-06T07:08:09.123Z",
            "updated_at": "2024-06-06T07:08:09.456Z",
            "last_login": "2024-06-06T07:08:09.456Z",
            "last_ip": "192.0.2.1",
            "logins_count": 7,
            "identities": [
                {"connection": "Users", "provider": "auth0", "user_id": who, "isSocial": False},
            ],
            "user_metadata": user["metadata"],
            "app_metadata": {"roles": ["editor"]},
            "passwordHash": user["passwordHash"],
        }
        yield orjson.dumps(row) + b"\n"


def _keycloak(users: _Users) -> Iterator[bytes]:
    """The export of a realm."""
    secret = json.dumps({"value": _KEY, "salt": _SALT, "additionalParameters": {}})
    data = json.dumps({"hashIterations": 27500, "algorithm": "pbkdf2-sha256", "additionalParameters": {}})
    before = b'{"realm":"acme","users":[\n'
    for user in users:
        who, profile = user["externalId"], user["profile"]
        row = {
            "id": who,
            "createdTimestamp": 1714979289123,
            "username": f"user-{who}",
            "enabled": True,
            "totp": False,
            "emailVerified": True,
            "firstName": profile["firstName"],
            "lastName": profile["lastName"],
            "email": user["email"],
            "attributes": {"locale": ["en"], "plan": ["pro"]},
            "credentials": [
                {
                    "id": f"password-{who}",
                    "type": "password",
                    "createdDate": 1714979289123,
                    "secretData": secret,
                    "credentialData": data,
                },
            ],
            "disableableCredentialTypes": [],
            "requiredActions": [],
            "realmRoles": ["offline_access"],
            "notBefore": 0,
            "groups": ["/staff"],
        }
        yield before + orjson.dumps(row)
        before = b",\n"
    yield b"]}\n"


_SOURCES = (
    _Source("own form, JSONL", "jsonl", _jsonl),
    _Source("own form, CSV", "csv", _csv),
    _Source("Auth0", "jsonl", _auth0, ("--from", "auth0")),
    _Source("Keycloak", "json", _keycloak, ("--from", "keycloak")),
)


class _Measured:
    """One version of Denizen, and what the imports into it cost: microseconds a row by process, megabytes over time."""

    def __init__(self, denizen: System) -> None:
        self._denizen = denizen
        self._begin = cost.log_head(denizen)  # No user that a part before imported.
        self.spent: dict[str, list[dict[str, float]]] = {}
        self.memory: dict[str, dict[str, list[float]]] = {}

    def run(self, source: _Source, count: int) -> None:
        """Import new users from a file of this kind."""
        file = self._denizen.home / f"import.{source.ending}"
        with file.open("wb") as out:
            out.writelines(source.write(transfer.users(count, self._begin)))
        self._begin += count
        before = self._denizen.processor_seconds()
        client, memory = self._imported(file, source, count)
        time.sleep(_SETTLED_SECONDS)
        after = self._denizen.processor_seconds()
        seconds = {name: after[name] - before[name] for name in after} | {"the client": client}
        self.spent.setdefault(source.name, []).append({name: 1e6 * each / count for name, each in seconds.items()})
        self.memory[source.name] = memory
        file.unlink()

    def _imported(self, file: Path, source: _Source, count: int) -> tuple[float, dict[str, list[float]]]:
        """The client's processor time in seconds, and the memory while it ran."""
        process = transfer.command(self._denizen, "import", str(file), "--json", *source.arguments)
        assert process.stdout is not None
        with transfer.watched(self._denizen, process, _WATCH_SECONDS) as memory:
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        if json.loads(out)["created"] != count:
            raise RuntimeError("not all rows were imported")
        transfer.until(self._denizen, transfer.is_applied)
        transfer.until(self._denizen, transfer.is_published)
        return usage.ru_utime + usage.ru_stime, memory


def measure(denizen: System, beside: Path | None, rounds: int, count: int, *, memory: bool) -> list[Row]:
    """Imports of `count` rows of each kind of file. `beside`: the tree of another version. `memory`: of long ones."""
    sources = [each for each in _SOURCES if not memory or each.ending != "csv"]
    with cost.other_version(beside) as other:
        ours = _Measured(denizen)
        theirs = None if other is None else _Measured(other)
        for number in range(rounds):
            typer.echo(f"imports of {count:,} rows, round {number + 1} of {rounds}", err=True)
            both = [ours] if theirs is None else [ours, theirs]
            for source in sources:
                for measured in both if number % 2 else reversed(both):
                    measured.run(source, count)
    rows: list[Row] = []
    for source in sources:
        name = f"imported row, {source.name}, {count:,} rows"
        limits = theirs.spent[source.name] if theirs else []
        rows += cost.rows_of(name, ours.spent[source.name], limits, str(beside), 1.0)
        if memory:
            rows += _memory(name, ours.memory[source.name])
    return rows


def _memory(name: str, memory: dict[str, list[float]]) -> list[Row]:
    """The memory at the start, in the middle and at the end of an import: each a third of it."""
    rows: list[Row] = []
    for process in _SHOWN:
        series = memory[process]
        third = len(series) // 3
        thirds = zip(("start", "middle", "end"), (series[:third], series[third:-third], series[-third:]), strict=True)
        rows += [Row(f"{name}, memory of {process}, {when}", "MB", part, smaller=True) for when, part in thirds]
    return rows
