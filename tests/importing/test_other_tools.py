"""Files of other versions and tools than those that the presets were written for (tests/importing/others/README.md)."""

from pathlib import Path
from typing import Any

import pytest
from denizen.importing import BadRow, Row, read

from tests.importing.test_presets import system_of
from tests.importing.test_recognition import refusal

OTHERS = Path(__file__).parent / "others"
FILES = sorted(path.name for path in OTHERS.iterdir() if path.name != "README.md")


def users_of(name: str) -> list[dict[str, Any]]:
    return [row.user for row in read(OTHERS / name, preset=system_of(name)) if isinstance(row, Row)]


@pytest.mark.parametrize("name", FILES)
def test_file_of_another_tool_is_recognised(name: str) -> None:
    assert f"--from {system_of(name)};" in refusal(OTHERS / name)


@pytest.mark.parametrize(("name", "count"), [(name, 1 if "express" not in name else 0) for name in FILES])
def test_file_of_another_tool_is_read(name: str, count: int) -> None:
    rows = list(read(OTHERS / name, preset=system_of(name)))
    assert len([row for row in rows if isinstance(row, Row)]) >= count
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [row.field for row in bad] == (
        ["passwordHash"] if "express" in name else []
    )  # Salted SHA-256, 20,000 times.


def test_names_holds_and_identities_of_other_tools_are_kept() -> None:
    assert users_of("kratos-of-security-onion.json")[0]["profile"] == {"firstName": "Ada", "lastName": "Lovelace"}
    assert users_of("kratos-of-canonical.json")[0]["emailVerified"] is False
    assert users_of("fusionauth-of-identityserver.json")[1]["identities"] == [
        {"provider": "google", "providerId": "108424841857347725303"}
    ]
    assert users_of("fusionauth-of-frontegg.json")[0]["passwordChangeRequired"] is True
    assert users_of("wordpress-import.csv")[0]["appMetadata"] == {"username": "bobjones", "roles": "contributor"}
    assert [user["email"] for user in users_of("zitadel-of-flowgo.json")] == ["admin@example.com"]
    assert users_of("keycloak-of-a-realm.json")[1]["passwordChangeRequired"] is True
    assert users_of("ldif-of-openldap.ldif")[1]["password"] == "a password in the clear"
