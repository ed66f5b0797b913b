"""The environment of each program: the secrets that a service needs, and the variables that a child process inherits.

`denizen up` gives each child these variables and no others, and compose.yaml follows the same table. PostgreSQL shows
its own environment to every superuser of it (`/proc/<pid>/environ`), so no secret of ours is in there.
"""

import os
from collections.abc import Mapping
from typing import get_args

from pydantic import SecretStr

from services.platform.settings import Settings

_ANSWERS = ("database_url", "nats_responder_password", "nats_signal_password", "key_encryption_keys", "claim_key")
SECRETS: Mapping[str, tuple[str, ...]] = {
    "accounts": (*_ANSWERS, "nats_revoker_password"),
    "directory": (*_ANSWERS, "read_database_url"),
    "transfer": _ANSWERS,
    "projector": ("database_url", "nats_signal_password", "key_encryption_keys"),
    # It publishes what is public, and so needs no key.
    "relay": ("database_url", "nats_signal_password", "nats_relay_password", "nats_registrar_password"),
    "mailer": ("database_url", "nats_signal_password", "key_encryption_keys", "smtp_url"),
    "migrate": (
        "database_url",
        "postgres_accounts_password",
        "postgres_directory_password",
        "postgres_transfer_password",
        "postgres_projector_password",
        "postgres_relay_password",
        "postgres_mailer_password",
    ),
}
"""The secret settings of each service, and of the migration. Settings that are no secret are for all of them."""

_INHERITED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"),
        *("GOMAXPROCS", "GOMEMLIMIT", "GODEBUG"),
    }
)
_INHERITED_PREFIXES = ("LC_", "LD_", "DYLD_", "MALLOC_", "PYTHON", "SSL_CERT_")
_LIBPQ = (
    *("PGHOST", "PGPORT", "PGDATABASE", "PGTARGETSESSIONATTRS", "PGLOADBALANCEHOSTS"),
    *("PGSSL", "PGGSSENCMODE", "PGREQUIREAUTH", "PGCHANNELBINDING"),
)
"""What an address of PostgreSQL may leave to the environment: where it is, and what is demanded of a connection to it.

Not PGUSER and PGPASSWORD, nor what names a file with them: those are the owner's.
"""


def is_secret(setting: str) -> bool:
    """Whether a setting holds a secret, by its type."""
    annotation = Settings.model_fields[setting].annotation
    return annotation is SecretStr or SecretStr in get_args(annotation)


def inherited() -> dict[str, str]:
    """The variables of this process that every child gets: none of ours, and none that holds a secret."""
    return {
        name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def of_service(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service.

    `given`: variables `DENIZEN_…` that come in the place of those of this process. A secret that the service does not
    need is left out.
    """
    ours = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith("DENIZEN_")}
    ours.update(given)
    for name in list(ours):
        setting = name.removeprefix("DENIZEN_").lower()
        if setting not in Settings.model_fields or (is_secret(setting) and setting not in SECRETS[service]):
            del ours[name]
    libpq = {name: value for name, value in os.environ.items() if name.startswith(_LIBPQ)}
    return inherited() | libpq | ours
