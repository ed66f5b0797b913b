"""Events as they were stored, of every type and every schema version: tests/golden."""

from pathlib import Path

import orjson

from services.domain.events import AnyEvent, decode
from services.domain.streams import StoredEvent
from services.domain.upcasting import upcast
from services.domain.values import Json
from services.platform.ids import new_event_id
from tests.support.log import AT, user_id

GOLDEN: dict[str, Json] = {
    path.stem: orjson.loads(path.read_bytes()) for path in sorted(Path(__file__).parents[1].glob("golden/*.json"))
}
ID = user_id()


def stored(type: str, schema_version: int, public: Json, private: Json | None) -> StoredEvent:
    """An event as the log returns it."""
    return StoredEvent(1, new_event_id(), ID, 1, type, schema_version, public, private, {}, AT)


def read(golden: Json) -> AnyEvent:
    """The event of a golden file, as the event store reads it."""
    type, schema_version, private = golden["type"], golden["schemaVersion"], golden["private"]
    private = None if private is None else upcast(type, schema_version, private)
    return decode(stored(type, schema_version, golden["public"], private))
