"""Settings of every service, from the environment (`DENIZEN_…`)."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a service needs to know; `DENIZEN_HOME=/srv/denizen denizen up` sets `home`."""

    model_config = SettingsConfigDict(
        env_prefix="DENIZEN_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    home: Path = Path(".denizen")
    """Directory of everything that is kept: postgres/, nats/, mail/, keys/."""
    database_url: SecretStr | None = None
    """PostgreSQL, as libpq has it. `denizen up` and `migrate` need the owner's; services act as `<cell>_app`."""
    nats_url: str | None = None
    """NATS, without credentials: `nats://host:4222`; several of a cluster with commas between them."""
    nats_port: Annotated[int, Field(ge=0, le=65535)] = 4222
    """Port of the embedded NATS; 0 takes a free one."""
    nats_responder_password: SecretStr | None = None
    nats_signal_password: SecretStr | None = None
    nats_relay_password: SecretStr | None = None
    """Passwords of our own three NATS users (deploy/nats/)."""
    cell: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")] = "denizen"
    """Schema of the log and its projections: one log is one cell."""
    key_encryption_keys: SecretStr | None = None
    """`1:<base64>,2:<base64>`: key-encryption keys by epoch, 32 octets each; else the files keys/kek-<epoch>."""
    claim_key: SecretStr | None = None
    """Base64 of 32 octets; else the file keys/claims."""
    stream_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """Copies of each JetStream stream in the NATS cluster; 3 in production."""
