"""Rows of JSON: the quick decoder takes and refuses what the strict one does (RFC 7493)."""

import io
import json
from collections.abc import Mapping

import pytest
from denizen.importing import arrays
from denizen.importing.rows import BadRow
from denizen.importing.strict import DECODER, Malformed, parsed, vetted

_REFUSED = [
    '{"a":1,"a":2}',
    '{"a" :1,"b":2,"b":3}',
    '{"a":1,"\\u0061":2}',
    '{"a":"\\u0022","b":1,"b":2}',
    '{"a":[{"b":1,"b":1}]}',
    '{"\\"":1,"\\"":2}',
    '{"":1,"":2}',
    '{"a":9223372036854775808}',
    '{"a":-9223372036854775808}',
    '{"a":[1, -9223372036854775809]}',
    '{"a":\t9223372036854775808}',
    "9223372036854775808",
    '{"a":1e400}',
    '{"a":-1E999}',
    '{"a":NaN}',
    '{"a":-Infinity}',
    '{"a":"\\u0000"}',
    '{"a":"\\ud800"}',
    "[" * 33 + "]" * 33,
]
_TAKEN: Mapping[str, object] = {
    '{"a":9223372036854775807}': {"a": 9223372036854775807},
    '{"a":"9223372036854775808"}': {"a": "9223372036854775808"},
    '{"a":[-9223372036854775807, 9223372036854775807]}': {"a": [-9223372036854775807, 9223372036854775807]},
    '{"a":0.1234567890123456789012345}': {"a": 0.1234567890123456789012345},
    '{"a":"\\ud83d\\ude00"}': {"a": "\U0001f600"},
    '{"a":"\\u0022:"}': {"a": '":'},
    '{"a":"NaN","b":"Infinity"}': {"a": "NaN", "b": "Infinity"},
    '{"a":{"b":1},"b":[{"b":1},{"b":2}]}': {"a": {"b": 1}, "b": [{"b": 1}, {"b": 2}]},
}


@pytest.mark.parametrize("text", _REFUSED)
def test_row_that_i_json_forbids_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parsed(text)
    with pytest.raises((Malformed, json.JSONDecodeError)):
        vetted(text, DECODER.decode(text))


@pytest.mark.parametrize(("text", "value"), _TAKEN.items())
def test_row_that_i_json_allows_keeps_its_value(text: str, value: object) -> None:
    assert parsed(text) == value
    assert vetted(text, DECODER.decode(text)) == value


def test_number_of_more_digits_than_python_takes_is_out_of_range() -> None:
    array = io.BytesIO(b'[{"a":' + b"9" * 5000 + b"}]")
    assert list(arrays.rows(array)) == [BadRow(1, "malformed_message", "a number is out of range")]
