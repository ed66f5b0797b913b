"""Key-encryption keys are rotated while commands go on, and a rotation that is killed is finished by the next."""

import asyncio
import signal
import subprocess
import sys

import orjson
import psycopg
import pytest

from services.eventstore.keys import data_keys as keys
from services.platform.settings import Settings
from tests.support.backend import connected
from tests.support.log import until, user_id
from tests.support.servers import REPOSITORY, Denizen
from tests.support.traffic import assert_nothing_lost, traffic

_USERS = 40_000


def add_users(denizen: Denizen) -> None:
    """Data keys of so many users that a rotation takes a while."""
    ring = keys.load(Settings(home=denizen.home))
    with psycopg.connect(denizen.database_url, options="-c search_path=denizen") as connection:
        query = "copy data_keys (user_id, epoch, wrapped) from stdin"
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            for user in (user_id() for _ in range(_USERS)):
                copy.write_row((user, ring.epoch, ring.new_data_key(user)[1]))


def start(denizen: Denizen) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "services.cli", "keys", "rotate", "--json"],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "DENIZEN_HOME": str(denizen.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def ends(process: subprocess.Popen[bytes]) -> dict[str, object]:
    out, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0, errors.decode()
    result: dict[str, object] = orjson.loads(out)
    return result


async def epochs(denizen: Denizen) -> dict[int, int]:
    """How many data keys there are of each epoch."""
    async with await psycopg.AsyncConnection.connect(denizen.database_url) as connection:
        cursor = await connection.execute("select epoch, count(*) from denizen.data_keys group by epoch")
        return dict(await cursor.fetchall())


@pytest.mark.slow
@pytest.mark.embedded
async def test_killed_key_rotation_is_finished_under_load(own_denizen: Denizen) -> None:
    add_users(own_denizen)
    async with traffic(own_denizen) as load:
        await load.goes_on()
        killed = start(own_denizen)

        async def under_way() -> bool:
            return 2 in await epochs(own_denizen)

        await until(under_way, "the rotation is under way", 30)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        await load.goes_on()
        left = await epochs(own_denizen)
        assert left.keys() == {1, 2}
        assert (own_denizen.home / "keys" / "kek-1").exists()
        own_denizen.kill("accounts")
        await load.goes_on()

        rotated = await ends(start(own_denizen))
        assert rotated["epoch"] == 2, "not a third one"
        assert rotated["removed"] == [1]
        assert (await epochs(own_denizen)).keys() == {2}
        assert [path.name for path in (own_denizen.home / "keys").glob("kek-*")] == ["kek-2"]
        await load.goes_on()
        assert (await ends(start(own_denizen)))["epoch"] == 3
        await load.goes_on()
        for service in ("accounts", "directory", "projector"):
            own_denizen.kill(service)
        await load.goes_on()
    assert (await epochs(own_denizen)).keys() == {3}
    await assert_nothing_lost(own_denizen, load)
    async with connected(own_denizen.nats_url) as backend:
        assert (await backend.insist("users.v1.query.GetJwks", {})).body["keys"]
