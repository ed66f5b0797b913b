"""What is wrong with a request or a setting is said in our words, whatever pydantic calls it."""

from collections.abc import Iterator
from typing import Any

import pytest
from denizen import messages as m
from denizen.operations import OPERATIONS
from pydantic import ValidationError

from services.domain.refusals import Refusal
from services.endpoint.call import understand_body
from services.platform.settings import Settings, faults

ODD: list[Any] = [
    *(None, -1, 3, 10**9, 10**30, 1.5, float("nan"), True, "", "x", "x" * 5000, "\ud800"),
    *([], ["x"], [1], [{}], [{"provider": "x"}], ["x" * 400] * 70, {}, {"a": 1}, {"firstName": 3, "zz": 1}),
]
"""Between them they are wrong for each field in each way that there is."""
SETTINGS = {
    "DENIZEN_NATS_PORT": ("x", "must be a whole number"),
    "DENIZEN_SESSION_DAYS": ("1.5", "must be a whole number"),
    "DENIZEN_HASHING": ("fast", "must be 'owasp', 'rfc9106-low-memory' or 'rfc9106-high-memory'"),
    "DENIZEN_HASHING_THREADS": ("99", "must be at most 64"),
    "DENIZEN_IMPORTED_BCRYPT_COST": ("16", "must be at most 15"),
    "DENIZEN_ACCESS_TOKEN_SECONDS": ("1", "must be at least 30"),
    "DENIZEN_REGISTER_DISCREET": ("ja", "must be true or false"),
    "DENIZEN_CELL": ("A", "must be at most 31 lower-case letters, digits and _, the first of them a letter"),
}


def bodies(model: type[m.Request]) -> Iterator[dict[str, Any]]:
    """Bodies with one field of an odd value; `zzz` is a field that no request has."""
    for name in [field.alias or name for name, field in model.model_fields.items()] + ["zzz"]:
        yield from ({name: odd} for odd in ODD)


@pytest.mark.parametrize("model", sorted({m.ImportedUser, *(each.request for each in OPERATIONS.values())}, key=str))
def test_message_of_a_refused_body_is_not_the_validator_s(model: type[m.Request]) -> None:
    refused = 0
    for body in bodies(model):
        try:
            model.model_validate(body, strict=True, by_alias=True, by_name=False)
        except ValidationError as error:
            raw = [fault["msg"] for fault in error.errors() if fault["type"] not in ("form", "value_error")]
        else:
            continue
        refused += 1
        with pytest.raises(Refusal) as refusal:
            understand_body(model, body)
        said = {each["message"] for each in refusal.value.details}
        assert refusal.value.message in said
        assert said.isdisjoint(raw)
        assert "has a value that is not allowed here" not in said, raw
    assert refused


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("currentPassword", "", "must not be empty"),
        ("currentPassword", "x" * 5000, "must have at most 4096 characters"),
        ("currentPassword", 3, "must be text"),
        ("newPassword", None, "must be text"),
        ("userId", "x", "not a user id: user_ and 26 letters and digits"),
        ("zzz", 1, "is not a known field: leave it out, or check its spelling"),
    ],
)
def test_message_says_what_is_right(field: str, value: Any, message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        understand_body(m.ChangePassword, {field: value})
    assert {"field": field, "message": message} in refusal.value.details


@pytest.mark.parametrize("name", SETTINGS)
def test_message_of_a_wrong_setting_says_what_is_right(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, message = SETTINGS[name]
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as wrong:
        Settings()
    assert faults(wrong.value) == [f"{name}: {message}"]
