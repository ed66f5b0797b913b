"""What a program's author sees of the clients: signatures, documentation, and what is missing."""

import inspect
import pydoc
import subprocess
import sys

import denizen
import pytest
from denizen import Client
from denizen.sessions import BlockingMe, BlockingSessions, Me, Sessions
from denizen.users import BlockingUsers, Users

PIECES = {"export_piece", "export_end"}
"""Steps of `export`, which the blocking class has as a generator of its own."""
CALLS = [
    (blocking, resource, name)
    for blocking, resource in ((BlockingUsers, Users), (BlockingSessions, Sessions), (BlockingMe, Me))
    for name, _ in inspect.getmembers(resource, inspect.iscoroutinefunction)
    if not name.startswith("_") and name not in PIECES
]


@pytest.mark.parametrize(("blocking", "resource", "name"), CALLS)
def test_async_call_has_a_blocking_form(blocking: type, resource: type, name: str) -> None:
    assert hasattr(blocking, name), f"{resource.__name__}.{name}"


@pytest.mark.parametrize(("blocking", "resource", "name"), CALLS)
def test_blocking_call_shows_the_arguments_and_text_of_the_async_one(blocking: type, resource: type, name: str) -> None:
    shown, original = getattr(blocking, name), getattr(resource, name)
    assert inspect.signature(shown) == inspect.signature(original)
    assert shown.__doc__ == original.__doc__
    assert not inspect.iscoroutinefunction(shown)


def test_every_public_class_has_a_docstring_of_its_own() -> None:
    classes = {name: getattr(denizen, name) for name in denizen.__all__ if isinstance(getattr(denizen, name), type)}
    assert len(classes) > 30
    assert [name for name, kind in classes.items() if not kind.__doc__] == []


def test_directory_of_the_package_lists_what_is_imported_on_use() -> None:
    code = "import denizen; print(*set(denizen.__all__) - set(dir(denizen)))"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert listed.stdout == "\n"


def test_help_of_a_blocking_call_shows_its_arguments_and_text() -> None:
    said = pydoc.plain(pydoc.render_doc(Client("nats://127.0.0.1:1").auth.users.create))
    assert "create(*, email: 'str', password: 'str | None' = None" in said
    assert "-> 'User'" in said
    assert "Create a user." in said


def test_help_of_the_blocking_users_lists_their_calls() -> None:
    said = pydoc.plain(pydoc.render_doc(BlockingUsers))
    assert "update(self, user_id: 'str', changes: 'JsonObject | None' = None" in said
    assert "Change what is given." in said


@pytest.mark.parametrize("name", ["TokenVerifier", "AsyncTokenVerifier"])
def test_verifier_without_its_library_names_the_extra(name: str) -> None:
    program = f"import sys; sys.modules['joserfc'] = None; from denizen import {name}"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("pip install 'denizen[verifier]'")
