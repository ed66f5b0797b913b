"""JSON logs on stderr: one object a line, `event` and its fields; no secret and no personal data."""

import logging
import sys
import traceback
from datetime import UTC, datetime

import orjson

from services.platform.printable import escaped, plain

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`log.info("ready", extra={"seconds": 0.4})` becomes `{"time": …, "event": "ready", "seconds": 0.4}`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "event": record.getMessage(),
        }
        entry.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        if record.exc_info and record.exc_info[1]:
            entry.update(described(record.exc_info[1]))
        return escaped(orjson.dumps(entry, default=str, option=orjson.OPT_NON_STR_KEYS).decode())


class TextFormatter(logging.Formatter):
    """For people at a terminal: the event, and its fields behind it."""

    def format(self, record: logging.LogRecord) -> str:
        fields = (f"{name}={value}" for name, value in vars(record).items() if name not in _STANDARD)
        return plain(" ".join((record.getMessage(), *fields)))


def described(error: BaseException) -> dict[str, object]:
    """An exception for the log. Its words are told only where they are ours: others quote the data they choke on."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    entry: dict[str, object] = {
        "error": type(error).__qualname__,
        "at": [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if type(error).__module__.startswith(("services.", "denizen.")):
        entry["reason"] = str(error)
    if isinstance(error, BaseExceptionGroup):
        entry["of"] = [described(each) for each in error.exceptions]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if error.__cause__ is not None:
        entry["cause"] = described(error.__cause__)
    return entry


def configure(service: str, *, for_people: bool = False) -> None:
    """Our own loggers from INFO, those of libraries from WARNING, all to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if for_people else JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("services").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
