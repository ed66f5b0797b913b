"""Which modules import which: the contracts in pyproject.toml, and the weight of what other services install."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_imports_follow_the_rules() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_contract_package_loads_no_server_library() -> None:
    code = "import sys, denizen; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"faststream", "psycopg", "cryptography", "services", "projections"} & set(loaded)


def test_messages_are_imported_without_the_nats_client() -> None:
    """Each command of the command line would pay 0.1 s of processor time for it, and so would a rebuild."""
    code = "import sys, denizen.messages; print('nats' in sys.modules, denizen.Client.__name__, 'nats' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["False", "Client", "True"]


def test_rebuild_command_is_imported_without_the_nats_client() -> None:
    code = "import sys, services.cli.projections, services.projector.filling; print('nats' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["False"]


def test_contract_package_does_not_load_importing() -> None:
    code = "import sys, denizen; denizen.Client; print(*[name for name in sys.modules if 'denizen.importing' in name])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []
