"""Read files of users as rows: JSONL, JSON arrays, CSV, LDIF and dumps of PostgreSQL, of Denizen and of other systems.

The formats are in docs/reference/import-files.md.
Needs nothing but the standard library. Memory is bounded whatever a file holds.
"""

from denizen.importing.columns import Columns
from denizen.importing.firebase import HashConfig
from denizen.importing.presets import PRESETS, Preset
from denizen.importing.presets.firebase import firebase
from denizen.importing.reading import Format, read
from denizen.importing.rows import BadRow, RefusedFile, Row

__all__ = ["PRESETS", "BadRow", "Columns", "Format", "HashConfig", "Preset", "RefusedFile", "Row", "firebase", "read"]
