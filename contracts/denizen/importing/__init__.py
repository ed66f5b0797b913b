"""Read files of users as rows: JSONL, JSON arrays and CSV, of Denizen and of other systems, also gzipped.

The formats are in docs/reference/import-files.md.
Needs nothing but the standard library. Memory is bounded whatever a file holds.
"""

from denizen.importing.firebase import HashConfig
from denizen.importing.presets import PRESETS, Preset
from denizen.importing.presets.firebase import firebase
from denizen.importing.reading import Format, read
from denizen.importing.rows import BadRow, RefusedFile, Row

__all__ = ["PRESETS", "BadRow", "Format", "HashConfig", "Preset", "RefusedFile", "Row", "firebase", "read"]
