"""JSON objects, as Python has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
"""A JSON object."""
JsonObject = Mapping[str, Any]
"""A JSON object that a caller gives: it is only read."""
