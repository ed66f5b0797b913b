"""`python -m services.endpoint.contract FILE` writes the contract document."""

import sys
from pathlib import Path

from services.endpoint import contract

Path(sys.argv[1]).write_text(contract.text(), "utf-8")
