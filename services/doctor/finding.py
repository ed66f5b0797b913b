"""The result of a check."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Figures = Mapping[str, int | float]


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check that found no fault."""

    says: str
    figures: Figures = field(default_factory=dict[str, int | float])


class Wanting(Exception):
    """Something is not as it should be; the text says what, and what to do next."""

    def __init__(self, says: str, figures: Figures | None = None) -> None:
        super().__init__(says)
        self.figures = figures or {}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    ok: bool
    says: str
    figures: Figures
