"""Files that hold secrets or personal data: who may read them."""

import stat
from pathlib import Path

from services.doctor.finding import Report, Wanting
from services.platform.settings import Settings

_ROOMS = ("keys", "log", "mail", "nats", "postgres")


async def check(settings: Settings) -> Report:
    """The home's rooms and keys are for their owner alone; an .env of ours is not for other users."""
    return look(settings.home, Path.cwd() / ".env")


def look(home: Path, environment: Path) -> Report:
    """Raises Wanting."""
    directories = [home / room for room in _ROOMS if (home / room).is_dir()]
    files = [path for path in (*(home / "keys").glob("*"), home / "up.json", home / "children.json") if path.is_file()]
    if loose := [path for path in files if _is_open(path, 0o077)]:
        raise Wanting(f"others can read {_names(loose)}: chmod 600")
    if loose := [path for path in directories if _is_open(path, 0o077)]:
        raise Wanting(f"others can look into {_names(loose)}: chmod 700")
    if environment.is_file() and _is_open(environment, 0o007) and b"DENIZEN_" in environment.read_bytes():
        raise Wanting(
            f"every user of this machine can read {environment}: chmod 600, and change the secrets that are in it"
        )
    return Report("nothing secret here can be read by others")


def _is_open(path: Path, bits: int) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & bits)


def _names(paths: list[Path]) -> str:
    return ", ".join(str(path) for path in sorted(paths))
