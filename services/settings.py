"""Settings of every service, from the environment (`DENIZEN_…`)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services import urls


class Settings(BaseSettings):
    """What a service needs to know; `DENIZEN_HOME=/srv/denizen denizen up` sets `home`."""

    model_config = SettingsConfigDict(
        env_prefix="DENIZEN_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    home: Path = Path(".denizen")
    """Directory of everything that is kept: postgres/, nats/, mail/, keys/."""
    database_url: SecretStr | None = None
    """PostgreSQL, as libpq has it. `denizen up`, `migrate` and the operator's commands need the owner's, a service its
    own login `<cell>_<service>` (services/eventstore/roles.py)."""
    database_role: Annotated[str, StringConstraints(pattern=r"^[a-z]+$")] = "app"
    """The role that connections work under is `<cell>_<this>`; each service sets its own, see `acting_as`."""
    postgres_accounts_password: SecretStr | None = None
    postgres_directory_password: SecretStr | None = None
    postgres_transfer_password: SecretStr | None = None
    postgres_projector_password: SecretStr | None = None
    postgres_relay_password: SecretStr | None = None
    postgres_mailer_password: SecretStr | None = None
    """Passwords of the services' logins: `denizen migrate` sets those that are given."""
    nats_url: str | None = None
    """NATS, without credentials: `nats://host:4222`; several of a cluster with commas between them."""
    nats_ca: Path | None = None
    """PEM file of the authority that NATS's certificate is checked by; with it, as with `tls://`, TLS is demanded."""
    nats_port: Annotated[int, Field(ge=0, le=65535)] = 4222
    """Port of the embedded NATS; 0 takes a free one."""
    nats_responder_password: SecretStr | None = None
    nats_signal_password: SecretStr | None = None
    nats_relay_password: SecretStr | None = None
    nats_revoker_password: SecretStr | None = None
    """Passwords of our own NATS users (deploy/nats/)."""
    cell: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$")] = "denizen"
    """Schema of the log and its projections: one log is one cell."""
    key_encryption_keys: SecretStr | None = None
    """`1:<base64>,2:<base64>`: key-encryption keys by epoch, 32 octets each; else the files keys/kek-<epoch>."""
    claim_key: SecretStr | None = None
    """Base64 of 32 octets; else the file keys/claims."""
    password_min_length: Annotated[int, Field(ge=8, le=64)] = 8
    """Characters; NIST SP 800-63B-4 asks for 15 where the password is the only factor."""
    hashing: Literal["owasp", "rfc9106-low-memory", "rfc9106-high-memory"] = "owasp"
    """Parameters of argon2id: 19 MiB, t=2, p=1; 64 MiB, t=3, p=4; 2 GiB, t=1, p=4."""
    hashing_threads: Annotated[int, Field(ge=1, le=64)] | None = None
    """Passwords hashed at a time; by default one a core."""
    register_discreet: bool = False
    """Register answers the same whether or not the address was free; who owns it is told by mail."""
    issuer: str = "denizen"
    audience: str = "denizen"
    """`iss` and `aud` of access tokens."""
    access_token_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    session_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How long a session lives after its last refresh."""
    refresh_grace_seconds: Annotated[int, Field(ge=0, le=60)] = 10
    """How long a used refresh token still gets the tokens that it got: two tabs may refresh at once. 0: never."""
    recent_sign_in_minutes: Annotated[int, Field(ge=0, le=1440)] = 10
    """For how long after a sign-in its user needs no password to erase the account or link an identity; 0: for ever."""
    smtp_url: SecretStr | None = None
    """`smtp://user:password@host:587` (STARTTLS where offered), `smtps://host:465`; `denizen up` has its own sink."""
    mail_from: str = "Denizen <no-reply@localhost>"
    mail_templates: Path | None = None
    """Directory of templates that replace ours by name (docs/mail.md)."""
    mail_reset_url: str | None = None
    """Page of yours that takes a reset token: `https://app.example.com/reset?token={token}`."""
    mail_verify_url: str | None = None
    """Page of yours that takes a code: `https://app.example.com/verify?user={user_id}&code={code}`."""
    stream_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """Copies of each JetStream stream in the NATS cluster; 3 in production."""

    @field_validator("nats_url")
    @classmethod
    def _nats_servers(cls, value: str | None) -> str | None:
        if value is not None:
            urls.nats(value)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            urls.smtp(value.get_secret_value())
        return value

    def acting_as(self, service: str) -> Self:
        """These settings, for connections that work under the role of a service."""
        return self.model_copy(update={"database_role": service})

    @model_validator(mode="after")
    def _claim_key_alone(self) -> Self:
        # The files' keys would be taken, and nobody would know.
        if self.claim_key and not self.key_encryption_keys:
            raise ValueError("DENIZEN_KEY_ENCRYPTION_KEYS: must be set too where DENIZEN_CLAIM_KEY is")
        return self


def missing(settings: Settings, needed: Iterable[str]) -> list[str]:
    """A line for each setting of `needed` that is not set and that its reader cannot do without."""
    if "claim_key" in needed and settings.key_encryption_keys and not settings.claim_key:
        return ["DENIZEN_CLAIM_KEY: must be set too where DENIZEN_KEY_ENCRYPTION_KEYS is"]
    wanted = [name for name in ("database_url", "nats_url") if name in needed]
    return [f"DENIZEN_{name.upper()}: is not set" for name in wanted if getattr(settings, name) is None]


def faults(error: ValidationError) -> list[str]:
    """A line for each setting that is wrong: its name, and what is wrong with it; not its value."""
    return [
        ": ".join([*(f"DENIZEN_{name}".upper() for name in fault["loc"]), fault["msg"].removeprefix("Value error, ")])
        for fault in error.errors(include_input=False, include_url=False)
    ]
