"""Calls of the TypeScript client while NATS and a service are killed: each has its result, and none is done twice."""

import json
import subprocess
from pathlib import Path

import pytest

from scripts import node
from tests.support.people import sql
from tests.support.servers import Denizen

CALLS = 501
KILLS = {50: "nats", 150: "accounts", 250: "nats", 350: "accounts", 420: "nats"}


@pytest.mark.slow
def test_kills_under_500_calls_do_none_twice(built: Path, own_denizen: Denizen) -> None:
    program = subprocess.Popen(
        ["node", built / "programs" / "calls.js", str(CALLS)],
        env={**node.environment(), "DENIZEN_NATS_URL": own_denizen.nats_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None
        for number in range(1, CALLS + 1):
            assert program.stdout.readline().strip() in ("created", "blocked", "unblocked"), number
            if number in KILLS:
                own_denizen.kill(KILLS[number])
        told = json.loads(program.stdout.read())
    assert (program.returncode, told["codes"], len(told["made"])) == (0, [], CALLS // 3)
    # A command that was done twice would have made another event, or would have been refused.
    statement = "select user_id, count(*) from events group by user_id"
    counted = {str(user): number for user, number in sql(own_denizen, statement)}
    assert counted == dict.fromkeys(counted, 3)
    assert len(counted) == CALLS // 3
