"""Runs one `denizen up` in a directory of its own, for `denizen.testing`, and removes it afterwards.

    python -P guard.py PARENT PROGRAM

ends the server when its standard input ends, or when the process PARENT is not its parent any more: a test runner that
is killed cannot end its server itself. Imports nothing of the package, so that it starts at once.
"""

import os
import select
import subprocess
import sys
import tempfile

_END_SECONDS = 60
"""What `denizen up` needs at most to end its servers in order."""
_LOOK_SECONDS = 1.0
"""A process that the test runner forked may hold the other end of standard input for longer than the runner lives."""


def main(parent: int, program: str) -> None:
    """Run the server until the test runner has no more use for it."""
    with tempfile.TemporaryDirectory(prefix="denizen-") as directory:
        process = subprocess.Popen(
            [program, "up", "--json"],
            cwd=directory,
            env={**os.environ, "DENIZEN_HOME": f"{directory}/home"},
            stdin=subprocess.DEVNULL,
        )
        with process:
            # The runner reads the line of a server that is ready, or the end where it cannot start.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            while os.getppid() == parent and not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
                pass
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
