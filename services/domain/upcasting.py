"""Upcasting: what is private in a stored event, in the form that its type has today.

The event store upcasts each event that it reads, before anything else sees it, so decisions and projections know one
form of each type. To change the form of a type: raise `schema_version` of its class, add the step from the form before
it to `_NEXT`, and add a golden file of the new form (tests/golden); files of older forms stay as they are.
"""

from collections.abc import Callable, Mapping, Sequence

from services.domain import email_address
from services.domain.events import TYPES
from services.domain.values import Json

Step = Callable[[Json], Json]


def upcast(type: str, schema_version: int, private: Json) -> Json:
    """The private part of an event that was stored in a form, as today's code writes it."""
    for step in _STEPS.get((type, schema_version), ()):
        private = step(private)
    return private


def _unchanged(private: Json) -> Json:
    """The newer form has more fields, each of which may be absent."""
    return private


def _with_key_of_today(private: Json) -> Json:
    """Earlier versions stored coarser keys of addresses (`email_address.coarse`) under the same number of the form."""
    if "emailKey" in private:
        private["emailKey"] = email_address.renewed(private["emailKey"], private["email"])
    return private


_NEXT: Mapping[tuple[str, int], Step] = {
    ("UserCreated", 1): _unchanged,
    ("UserBlocked", 1): _unchanged,
}
"""By type and form: the step to the next form."""
_LAST: Mapping[str, Step] = {
    "UserCreated": _with_key_of_today,
    "EmailVerificationRequested": _with_key_of_today,
    "EmailChanged": _with_key_of_today,
}
"""By type: the step that follows, whatever the form was."""


def _steps(type: str, schema_version: int, newest: int) -> Sequence[Step]:
    steps = [_NEXT[type, version] for version in range(schema_version, newest)]
    return [*steps, _LAST[type]] if type in _LAST else steps


_STEPS: Mapping[tuple[str, int], Sequence[Step]] = {
    (name, version): _steps(name, version, kind.schema_version)
    for name, kind in TYPES.items()
    for version in range(1, kind.schema_version + 1)
}
"""By type and form: all steps to today's form."""
