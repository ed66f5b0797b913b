"""The options of `denizen import` that say how a file is read."""

import json
from pathlib import Path
from typing import Any

import denizen as contract
import pytest

from tests.cli.test_commands import Shell
from tests.support.servers import Denizen
from tests.transfer.support import name


@pytest.fixture
def shell(denizen: Denizen) -> Shell:
    return Shell(denizen.home)


@pytest.fixture
def client(denizen: Denizen) -> Any:
    with contract.Client(denizen.nats_url) as opened:
        yield opened


def test_windows_1252_is_imported_once_its_encoding_is_named(
    shell: Shell, client: contract.Client, tmp_path: Path
) -> None:
    file, address = tmp_path / "users.csv", f"{name()}@example.com"
    file.write_bytes(f"email;profile.firstName\r\n{name()}@example.com;Anna\r\n{address};Jürgen\r\n".encode("cp1252"))
    code, out, err = shell.run("import", str(file))
    assert (code, out) == (1, "")
    assert err == (
        f"{file}: line 3 is not UTF-8: save the file as CSV UTF-8, or name its encoding with --encoding, such as "
        "--encoding windows-1252 for files of Excel\n"
    )
    assert shell.json("import", str(file), "--encoding", "windows-1252")["created"] == 2
    client.see_latest()
    user = client.auth.users.get_by_email(address)
    assert user is not None
    assert user.profile.first_name == "Jürgen"


def test_file_with_a_map_is_imported(shell: Shell, client: contract.Client, tmp_path: Path) -> None:
    file, columns, who = tmp_path / "people.csv", tmp_path / "people.toml", name()
    file.write_text(f"Mail,Joined,Nick,Kind\n{who}@example.com,03/04/2024,-,7\n", "utf-8")
    columns.write_text('email = "Mail"\ncreatedAt = "Joined"\n"profile.firstName" = "Nick"\n', "utf-8")
    mapped = ("import", str(file), "--map", str(columns), "--null", "-")
    code, _, err = shell.run(*mapped)
    assert code == 1
    assert "use --dates dmy or --dates mdy" in err
    assert shell.json(*mapped, "--dates", "dmy")["created"] == 1  # Another job than without.
    client.see_latest()
    user = client.auth.users.get_by_email(f"{who}@example.com")
    assert user is not None
    assert user.created_at.isoformat().startswith("2024-04-03")
    assert user.profile.first_name is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--encoding", "klingon"], "there is no encoding"),
        (["--map", "{map}", "--from", "auth0"], "not by both"),
        (["--map", "{bad}"], "users do not have"),
        (["--dates", "ymd"], "'ymd' is not"),
        (["--format", "xml"], "'xml' is not"),
    ],
)
def test_wrong_reading_option_is_refused(shell: Shell, tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "users.csv").write_text("email\na@example.com\n", "utf-8")
    (tmp_path / "map").write_text('email = "email"\n', "utf-8")
    (tmp_path / "bad").write_text('email = "email"\nname = "x"\n', "utf-8")
    given = [each.format(map=tmp_path / "map", bad=tmp_path / "bad") for each in arguments]
    code, _, err = shell.run("import", str(tmp_path / "users.csv"), *given)
    assert code == 2
    assert words in " ".join(err.replace("│", " ").split())


def test_import_on_a_terminal_shows_the_share_of_the_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "users.json"  # One line.
    file.write_text(json.dumps([{"email": f"{number}.{name()}@example.com"} for number in range(1200)]), "utf-8")
    code, shown = shell.on_terminal("import", str(file), "--dry-run", streams=["stderr"])
    assert code == 0
    assert "100%" in shown
    assert "1,200 rows" in shown
