"""The settings of a command, and clients of the Denizen that they name."""

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from services.cli import errors
from services.embedded.home import with_addresses
from services.platform.settings import Settings, faults, missing

if TYPE_CHECKING:
    from denizen import Client


def settings() -> Settings:
    """The settings, with the addresses of the `denizen up` on DENIZEN_HOME where the environment names none."""
    found = read()
    with _readable():
        return with_addresses(found)


def read() -> Settings:
    """The settings of the environment. Ends the command where one is wrong."""
    try:
        settings = Settings()
        wrong = missing(settings, ["claim_key"])
    except ValidationError as error:
        settings, wrong = None, faults(error)
    if settings is None or wrong:
        raise errors.not_configured("\n".join(wrong))
    return settings


@contextmanager
def _readable() -> Generator[None]:
    """End the command with a sentence where a file of the home cannot be read."""
    try:
        yield
    except OSError as error:
        reason = f"{error.filename} cannot be read: {error.strerror}"
        raise errors.not_configured(f"DENIZEN_HOME: {reason}; name a directory of yours, with a `denizen up`") from None


def with_database() -> tuple[Settings, str]:
    """The settings, and the address of PostgreSQL. Ends the command where there is none."""
    found = settings()
    if found.database_url is None:
        raise errors.not_configured("DENIZEN_DATABASE_URL is not set, and no `denizen up` runs on DENIZEN_HOME.")
    return found, found.database_url.get_secret_value()


def nats_servers() -> list[str]:
    """The addresses of NATS. `nats://user:password@host` names a user of deploy/nats/accounts.conf."""
    return (settings().nats_url or "nats://127.0.0.1:4222").split(",")


@contextmanager
def client(**options: Any) -> Generator["Client"]:
    """A client. A refusal is printed on stderr, and ends the command with exit code 1. `options`: of nats.connect."""
    from denizen import Client, DenizenError

    try:
        with Client(nats_servers(), **options) as connected:
            connected.see_latest()  # Else a script's second command could miss what its first one did.
            yield connected
    except DenizenError as error:
        raise errors.refused(error) from error


def operator() -> AbstractContextManager["Client"]:
    """A client of the NATS user `operator`.

    By DENIZEN_NATS_OPERATOR_PASSWORD, else by the password of the `denizen up` on DENIZEN_HOME, else as the address has
    it.
    """
    password = os.environ.get("DENIZEN_NATS_OPERATOR_PASSWORD")
    kept = read().home / "keys" / "nats-operator"
    with _readable():
        if password is None and kept.exists():
            password = kept.read_text("ascii").strip()
    return client() if password is None else client(user="operator", password=password)
