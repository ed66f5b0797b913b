"""Which secrets each program gets."""

import pytest

from services.eventstore.migrations.roles import SERVICES
from services.platform import environment as needs
from services.platform.settings import Settings


def test_every_secret_setting_is_declared_by_need() -> None:
    """A new one: say in services/platform/environment.py which services need it."""
    secret = {name for name in Settings.model_fields if needs.is_secret(name)}
    assert secret == {name for names in needs.SECRETS.values() for name in names}
    assert {"nats_url", "issuer", "home"} <= Settings.model_fields.keys() - secret


@pytest.mark.parametrize("service", SERVICES)
def test_service_environment_holds_what_it_needs(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = {f"DENIZEN_{name.upper()}": "canary" for name in Settings.model_fields if needs.is_secret(name)}
    foreign = {
        "PGPASSWORD": "canary",
        "PGPASSFILE": "canary",
        "PGSERVICEFILE": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "DENIZEN_UNKNOWN": "canary",
    }
    for name, value in (every | foreign | {"denizen_issuer": "me", "PGSSLMODE": "verify-full"}).items():
        monkeypatch.setenv(name, value)
    found = needs.of_service(service, {"DENIZEN_DATABASE_URL": "its own"})
    needed = {f"DENIZEN_{name.upper()}" for name in needs.SECRETS[service]}
    assert {name for name, value in found.items() if value == "canary"} == needed - {"DENIZEN_DATABASE_URL"}
    assert found["DENIZEN_DATABASE_URL"] == "its own"
    assert (found["DENIZEN_ISSUER"], found["PGSSLMODE"]) == ("me", "verify-full")


def test_service_demands_the_same_tls_as_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables of libpq: https://www.postgresql.org/docs/18/libpq-envars.html."""
    demanded = {
        "PGHOSTADDR": "192.0.2.1",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca.pem",
        "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
        "PGCHANNELBINDING": "require",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGGSSENCMODE": "disable",
        "PGTARGETSESSIONATTRS": "read-write",
    }
    for name, value in demanded.items():
        monkeypatch.setenv(name, value)
    found = needs.of_service("accounts", {})
    assert {name: value for name, value in found.items() if name.startswith("PG")} == demanded


def test_inherited_environment_holds_no_denizen_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DENIZEN_CELL", "PGPASSWORD", "PGUSER", "NOTIFY_SOCKET", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "canary")
    assert "canary" not in needs.inherited().values()
    assert "PATH" in needs.inherited()
