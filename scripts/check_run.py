"""Fails where `make run` does not start everything, end cleanly, or installs more than 250 MB.

In a clean clone it tells how long a newcomer waits: for the installation and for the first answer.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
_READY = "Denizen is ready"
_LIMIT_MB = 250


def main() -> int:
    """Returns the exit code."""
    installed = (ROOT / ".venv").exists()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        environment = {**os.environ, "DENIZEN_HOME": f"{scratch}/home", "DENIZEN_NATS_PORT": "0"}
        run = subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert run.stdout
        for line in run.stdout:
            print(line, end="", flush=True)
            if line.startswith(_READY):
                break
        seconds = time.monotonic() - began
        # To the whole group, as Ctrl-C in a terminal does; make's own code is then that of the signal.
        os.killpg(run.pid, signal.SIGINT)
        rest = run.stdout.read()
        run.wait()
        ended_in_order = not Path(scratch, "home", "up.json").exists()
    if not rest:
        print("make run: it ended before Denizen was ready", file=sys.stderr)
        return 1
    if not ended_in_order:
        print("make run: it did not end in order after Ctrl-C", file=sys.stderr)
        return 1
    print(f"make run: ready after {seconds:.0f} s")
    return 0 if installed else _small_enough()


def _small_enough() -> int:
    files = [path for path in (ROOT / ".venv").rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_blocks * 512 for path in files) / 1e6
    print(f"make run: .venv has {size:.0f} MB, at most {_LIMIT_MB} are allowed")
    return size > _LIMIT_MB


if __name__ == "__main__":
    sys.exit(main())
