"""The files of a home: logs, mails, what NATS keeps, and whatever else is there but PostgreSQL's own."""

from collections.abc import Iterator
from pathlib import Path

from denizen import events, revocations

from services.erasure.forms import Forms
from services.erasure.receipt import Place

_CHUNK = 1 << 20
_SKIPPED = "postgres"
_STREAMS = {events.STREAM, revocations.REVOCATIONS_STREAM}


def search(home: Path, forms: Forms) -> list[Place]:
    """Look through every file below, room by room."""
    rooms: dict[str, Place] = {}
    for path in sorted(home.rglob("*")):
        below = path.relative_to(home)
        if below.parts[0] == _SKIPPED or path.is_symlink() or not path.is_file():
            continue
        name = below.parts[0] if len(below.parts) > 1 else "."
        place = rooms.setdefault(name, Place(f"files {name}/", 0))
        place.searched = (place.searched or 0) + 1
        try:
            found = any(forms.are_in(part) for part in _parts(path))
        except FileNotFoundError:
            continue  # a mail or a block that went meanwhile
        except OSError as error:
            place.fault(f"{below} cannot be read: {error.strerror}")
            continue
        if found and _is_of_stream(below):
            place.kept, place.reason = place.kept + 1, "the messages that the streams, above, were looked through for"
        elif found:
            place.fault(f"{below} names the user")
    return list(rooms.values())


def _parts(path: Path) -> Iterator[bytes]:
    """A file piece by piece; each begins with the end of the one before, so that nothing is cut in two."""
    end = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield end + chunk
            end = (end + chunk)[-256:]


def _is_of_stream(below: Path) -> bool:
    """Whether it is a file of one of the streams that may name a user: nats/jetstream/<account>/streams/<name>/."""
    parts = below.parts
    return parts[0] == "nats" and "streams" in parts[:-1] and parts[parts.index("streams") + 1] in _STREAMS
