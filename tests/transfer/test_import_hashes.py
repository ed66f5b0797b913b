"""Password hashes in an import: weak ones are told, and one that cannot be taken costs only the password."""

import pytest
from denizen import messages as m

from services.domain.decision import Facts
from services.domain.refusals import Refusal
from services.transfer.imports import _tell_changed  # pyright: ignore[reportPrivateUsage]
from services.transfer.validation import ImportRow
from tests.transfer.support import PASSWORD, Json, name, shapes, taker

STRONG = "$2b$10$U4C0ZY8OG8y41F9LusfKyu3HRMBL0rCZcKBVsXhgr.n8Ou6FPhzO2"
WEAK = "{SHA}YE4eGkN4BvwNN1f5R7CZz0kFn14="
YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"


def row(**more: str) -> Json:
    return {"email": f"{name()}@example.com", "emailVerified": True, **more}


async def test_import_of_weak_hash_tells_its_algorithm(database_url: str) -> None:
    rows = [row(passwordHash=STRONG), row(passwordHash=WEAK), row(password=f"hashed:{WEAK}")]
    async with taker(database_url) as one:
        rehearsed = await one.take(rows, dryRun=True)
        reply = await one.take(rows, importId="job", chunk=0)
        assert await one.take(rows, importId="job", chunk=0) == reply
    weak = [
        {
            "field": "passwordHash",
            "message": "a weak hash (salted or plain MD5 or SHA), which the user's next login replaces",
        }
    ]
    for each in (rehearsed, reply):
        assert shapes(each) == [("created", None, None)] * 3
        assert [result.get("changed") for result in each["results"]] == [None, weak, weak]


async def test_hash_that_cannot_be_taken_costs_only_the_password_on_request(database_url: str) -> None:
    rows = [row(passwordHash=YESCRYPT), row(passwordHash=STRONG), row(passwordHash="$2a$31$" + "." * 53)]
    async with taker(database_url) as one:
        refused = await one.take(rows)
        assert shapes(refused)[0] == ("failed", "validation_failed", "passwordHash")
        assert "yescrypt" in refused["results"][0]["error"]["message"]
        reply = await one.take([{**each, "email": f"x{each['email']}"} for each in rows], withoutHashes="unsupported")
        assert shapes(reply) == [("created", None, None)] * 3
        told = [result.get("changed") for result in reply["results"]]
    assert told[0] == [
        {
            "field": "passwordHash",
            "message": "left out, so the user resets the password by mail: yescrypt hashes are not accepted",
        }
    ]
    assert told[1] is None
    assert "costs too much" in told[2][0]["message"]


async def test_bcrypt_over_the_bound_names_the_setting_that_accepts_it(database_url: str) -> None:
    dear = row(passwordHash="$2a$14$byQcS5onwwjBJUGNfuVrguohKzgNzYOVgYOEGIMP65ln1Ft/a5fjO")
    async with taker(database_url) as one:
        assert "DENIZEN_IMPORTED_BCRYPT_COST" in (await one.take([dear]))["results"][0]["error"]["message"]
    async with taker(database_url, imported_bcrypt_cost=14) as one:
        assert shapes(await one.take([dear])) == [("created", None, None)]


@pytest.mark.parametrize("status", ["created", "updated", "skipped", "failed"])
@pytest.mark.parametrize("stored", [None, WEAK])
def test_hash_that_was_left_out_is_told_of_updated_users_too(status: str, stored: str | None) -> None:
    told = (m.ChangedField(field="passwordHash", message="told"),)
    user = m.ImportedUser(email="a@example.com")
    read = ImportRow(0, user, "usr_1", None, Facts(password_hash=stored), told)
    results: dict[int, Json] = {0: {"index": 0, "status": status}}
    _tell_changed([read], results)
    # A weak hash that an update does not store is not told: the user may have signed in.
    assert ("changed" in results[0]) is (status == "created" or (status == "updated" and stored is None))


async def test_chunk_repeated_with_another_choice_of_hashes_is_refused(database_url: str) -> None:
    rows = [row(passwordHash=YESCRYPT)]
    async with taker(database_url) as one:
        await one.take(rows, importId="job", chunk=0)
        with pytest.raises(Refusal) as refused:
            await one.take(rows, importId="job", chunk=0, withoutHashes="unsupported")
    assert refused.value.field == "importId"


@pytest.mark.parametrize(
    "hashed",
    [
        STRONG,
        YESCRYPT,
        WEAK,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$P$BVrdsW/NUuXDi0Od0uUdk2SnJHHmQ01",
        "pbkdf2_sha256$1000000$wBGc085ipgtGdui1elcfPC$ewaG4QfLf90wYtg/GLLHZRbaRLI25h277hYoVIeVIys=",
        "AQAAAAEAACcQAAAAEHheUovUgwiWJ7YO0aLoq2/TvJYEdPiBlNJplaMUaQKQPSu7SHMgf0zsEnhCVijJ0w==",
    ],
)
async def test_password_that_looks_like_a_hash_is_refused_and_names_the_right_field(
    database_url: str, hashed: str
) -> None:
    async with taker(database_url) as one:
        reply = await one.take([row(password=hashed)])
    assert shapes(reply) == [("failed", "validation_failed", "password")]
    assert "passwordHash" in reply["results"][0]["error"]["message"]
    assert hashed not in str(reply)


@pytest.mark.parametrize("password", [PASSWORD, "{Summer}2024-holidays!", "$1$ is too little money", "A" * 19])
async def test_password_that_is_none_of_a_hash_is_taken(database_url: str, password: str) -> None:
    async with taker(database_url) as one:
        assert shapes(await one.take([row(password=password)])) == [("created", None, None)]
