"""The commands of docs/how-to/import-from-another-system.md work as they are copied from there."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from denizen.importing import PRESETS

from tests.cli.test_commands import Shell
from tests.support.servers import REPOSITORY, Denizen

PAGE = (REPOSITORY / "docs/how-to/import-from-another-system.md").read_text("utf-8")
SAMPLES = REPOSITORY / "tests/importing/samples"
COMMANDS = re.findall(r"^ *denizen (import .*)$", PAGE, re.MULTILINE)
SAMPLE_OF = {"people.ldif": "ldif.ldif"}
"""The file that a command of the page names, and the sample that stands for it."""


@pytest.fixture
def shell(other_settings: Denizen) -> Shell:
    """Beside the Denizen into which no other test imports samples: their ids would be taken, and none be created."""
    return Shell(other_settings.home)


def test_page_has_a_command_and_a_row_for_each_preset() -> None:
    assert sorted(shlex.split(line)[3] for line in COMMANDS) == sorted(PRESETS)
    assert sorted(re.findall(r"^\|[^|]*\| `([a-z][a-z0-9-]+)` \|", PAGE, re.MULTILINE)) == sorted(PRESETS)


@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_the_page_reads_a_sample(shell: Shell, tmp_path: Path, line: str) -> None:
    words = shlex.split(line)
    for index, word in enumerate(words):
        if "." in word:
            shutil.copy(SAMPLES / SAMPLE_OF.get(word, word), tmp_path / word)
            words[index] = str(tmp_path / word)
    code, out, err = shell.run(*words, "--dry-run", "--json")
    done = json.loads(out)
    assert done["created"] >= 2, err
    assert code == (1 if done["failed"] else 0)
