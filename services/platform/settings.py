"""Settings of every service, from the environment (`DENIZEN_…`)."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from denizen.messages.base import Otherwise
from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.platform import urls
from services.platform.faults import message


class Settings(BaseSettings):
    """The settings of a service; `DENIZEN_HOME=/srv/denizen denizen up` sets `home`."""

    model_config = SettingsConfigDict(
        env_prefix="DENIZEN_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    home: Path = Path(".denizen")
    """The directory of everything that `denizen up` keeps: postgres/, nats/, mail/, keys/."""
    database_url: SecretStr | None = None
    """PostgreSQL 18.4 or later, as libpq has it. `denizen up`, `denizen migrate` and the operator's commands need
    the owner's login, a service its own, `<cell>_<service>`. Across a network demand TLS:
    `postgresql://…@host/denizen?sslmode=verify-full&sslrootcert=/path/ca.pem` (libpq's default, `prefer`, goes on
    without TLS where the server offers none)."""
    read_database_url: SecretStr | None = None
    """PostgreSQL from which the directory answers look-ups, lists and login histories: a streaming replica of the
    server in DENIZEN_DATABASE_URL, with the directory's login. By default that server itself. A query still waits until
    the position that it demands has reached the replica."""
    postgres_accounts_password: SecretStr | None = None
    """The password that `denizen migrate` sets for the login of accounts; nothing else reads it."""
    postgres_directory_password: SecretStr | None = None
    """The password that `denizen migrate` sets for the login of directory; nothing else reads it."""
    postgres_transfer_password: SecretStr | None = None
    """The password that `denizen migrate` sets for the login of transfer; nothing else reads it."""
    postgres_projector_password: SecretStr | None = None
    """The password that `denizen migrate` sets for the login of projector; nothing else reads it."""
    postgres_relay_password: SecretStr | None = None
    """The password that `denizen migrate` sets for the login of relay; nothing else reads it."""
    postgres_mailer_password: SecretStr | None = None
    """The password that `denizen migrate` sets for the login of mailer; nothing else reads it."""
    nats_url: str | None = None
    """NATS, without credentials: `nats://host:4222` or `tls://host:4222`; several servers of a cluster with commas
    between them. One `tls://` demands TLS of all of them before anything else is sent."""
    nats_ca: Path | None = None
    """PEM file of the authority that NATS's certificate is checked by; demands TLS as `tls://` does. Clients and
    the command line take it too. Without it `tls://` trusts the system's authorities."""
    nats_port: Annotated[int, Field(ge=0, le=65535)] = 4222
    """Port of the embedded NATS; 0 takes a free one."""
    nats_websocket_origins: str | None = None
    """The pages that may connect to the embedded NATS over WebSocket: `https://app.example.com,http://localhost:5173`,
    one origin for each host. Without it there is no WebSocket listener."""
    nats_websocket: str = "127.0.0.1:4223"
    """Where the embedded NATS takes WebSocket connections; port 0 takes a free one. Outside loopback it needs
    DENIZEN_NATS_WEBSOCKET_CERT and DENIZEN_NATS_WEBSOCKET_KEY."""
    nats_websocket_cert: Path | None = None
    """PEM file of the WebSocket listener's certificate, with the certificates of its authorities."""
    nats_websocket_key: Path | None = None
    """PEM file of that certificate's key."""
    nats_websocket_url: str | None = None
    """The WebSocket listener of a NATS of yours, `wss://nats.example.com:443`, for `denizen doctor` to look at."""
    nats_responder_password: SecretStr | None = None
    """Password of the NATS user that answers requests (accounts, directory, transfer)."""
    nats_registrar_password: SecretStr | None = None
    """Password of the NATS user that answers subscribers (relay). Without it they make their durables themselves, which
    NATS must then allow them."""
    nats_signal_password: SecretStr | None = None
    """Password of the NATS user that wakes other services up (all services)."""
    nats_relay_password: SecretStr | None = None
    """Password of the NATS user that publishes events (relay)."""
    nats_revoker_password: SecretStr | None = None
    """Password of the NATS user that stores revocations (accounts)."""
    cell: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}$"),
        Otherwise("must be at most 31 lower-case letters, digits and _, the first of them a letter"),
    ] = "denizen"
    """Schema of the log and its projections: one log is one cell."""
    key_encryption_keys: SecretStr | None = None
    """Key-encryption keys by epoch, `1:<base64>,2:<base64>`, 32 octets each; without it the files keys/kek-<epoch>
    of the home."""
    claim_key: SecretStr | None = None
    """The key of claims and of other digests, base64 of 32 octets; without it the file keys/claims of the home. A
    service that needs it demands it where `DENIZEN_KEY_ENCRYPTION_KEYS` is set."""
    password_min_length: Annotated[int, Field(ge=8, le=64)] = 8
    """Characters of a new password; NIST SP 800-63B-4 asks for 15 where the password is the only factor."""
    hashing: Literal["owasp", "rfc9106-low-memory", "rfc9106-high-memory"] = "owasp"
    """Parameters of argon2id: `owasp` is 19 MiB, t=2, p=1; `rfc9106-low-memory` 64 MiB, t=3, p=4;
    `rfc9106-high-memory` 2 GiB, t=1, p=4."""
    hashing_threads: Annotated[int, Field(ge=1, le=64)] | None = None
    """Passwords that each accounts process hashes at a time, each in a process of its own (14 MB and the memory of
    the hash); by default one for each core."""
    imported_bcrypt_cost: Annotated[int, Field(ge=13, le=15)] = 13
    """The highest cost of imported bcrypt hashes: 14 for those of Zitadel. All refused sign-ins of all users take three
    times as long as such a hash, each step doubles that, and a hash of a higher cost fits no password."""
    register_discreet: bool = False
    """Register always answers `{}`, and the owner of a taken address is told by mail; likewise where a signed-in
    user asks for another's address. A user who has not verified the address cannot tell a right password from a
    wrong one."""
    issuer: str = "denizen"
    """The claim `iss` of access tokens."""
    audience: str = "denizen"
    """The claim `aud` of access tokens."""
    access_token_seconds: Annotated[int, Field(ge=30, le=3600)] = 300
    """How long an access token is good."""
    session_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How long a session lives after its last refresh."""
    refresh_grace_seconds: Annotated[int, Field(ge=0, le=60)] = 10
    """How long a refresh token that was just used still gets the same new tokens, because two tabs of a browser may
    refresh at once; a later reuse ends the session. With 0 any reuse ends it."""
    recent_sign_in_minutes: Annotated[int, Field(ge=0, le=1440)] = 10
    """For how long after a sign-in `self.DeleteUser`, `self.LinkIdentity` and `self.UnlinkIdentity` need no
    `currentPassword`. With 0 they never need it."""
    smtp_url: SecretStr | None = None
    """Where mails go: `smtp://user:password@host:587` (STARTTLS where offered) or `smtps://host:465`. `denizen up`
    keeps mails in its own Maildir without it."""
    mail_from: str = "Denizen <no-reply@localhost>"
    """The sender of mails."""
    mail_templates: Path | None = None
    """Directory of templates that replace ours by name (docs/how-to/send-mail.md)."""
    mail_reset_url: str | None = None
    """Page of yours that takes a reset token: `https://app.example.com/reset?token={token}`."""
    mail_verify_url: str | None = None
    """Page of yours that takes the long code: `https://app.example.com/verify?user={user_id}&code={code}`."""
    stream_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """Copies of each JetStream stream in the NATS cluster; 3 in production."""

    @field_validator("home")
    @classmethod
    def _home_is_one_directory(cls, home: Path) -> Path:
        """`~/x` and `missing/../x` are one directory for everything that reads the setting."""
        return Path(os.path.realpath(home.expanduser() if home.parts[:1] == ("~",) else home))

    @field_validator("database_url", "read_database_url")
    @classmethod
    def _database_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            urls.postgres(value.get_secret_value())
        return value

    @field_validator("nats_url")
    @classmethod
    def _nats_servers(cls, value: str | None) -> str | None:
        if value is not None:
            urls.nats(value)
        return value

    @field_validator("nats_websocket_origins")
    @classmethod
    def _websocket_origins(cls, value: str | None) -> str | None:
        if value is not None:
            urls.origins(value)
        return value

    @field_validator("nats_websocket")
    @classmethod
    def _websocket_address(cls, value: str) -> str:
        urls.listen(value)
        return value

    @field_validator("nats_websocket_url")
    @classmethod
    def _websocket_url(cls, value: str | None) -> str | None:
        if value is not None:
            urls.websocket(value)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _smtp_server(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            urls.smtp(value.get_secret_value())
        return value

    def for_reading(self) -> Self:
        """These settings, for connections that read the projections."""
        return self.model_copy(update={"database_url": self.read_database_url or self.database_url})

    @model_validator(mode="after")
    def _claim_key_alone(self) -> Self:
        # The files' keys would be taken without notice.
        if self.claim_key and not self.key_encryption_keys:
            raise ValueError("DENIZEN_KEY_ENCRYPTION_KEYS: must be set too where DENIZEN_CLAIM_KEY is")
        return self

    @model_validator(mode="after")
    def _websocket_certificate_whole(self) -> Self:
        if (self.nats_websocket_cert is None) != (self.nats_websocket_key is None):
            raise ValueError("DENIZEN_NATS_WEBSOCKET_CERT and DENIZEN_NATS_WEBSOCKET_KEY: must both be set, or neither")
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
        ": ".join([*(f"DENIZEN_{name}".upper() for name in fault["loc"]), message(fault)])
        for fault in error.errors(include_input=False, include_url=False)
    ]
