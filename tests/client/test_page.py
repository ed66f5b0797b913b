"""The Python snippet of the product page runs, word for word but for the address."""

import pytest
from denizen import Client

from tests.support.backend import email
from tests.support.servers import Denizen

SNIPPET = """\
user = client.auth.users.create(
email="user@example.com",
password="SecurePassword123!",
email_verified=False,
profile={
"firstName": "John",
"lastName": "Doe",
},
metadata={
"plan": "pro",
"source": "signup",
},
)
print(f"User ID: {user.id}")
"""


def test_python_snippet_of_the_page_runs(denizen: Denizen, capsys: pytest.CaptureFixture[str]) -> None:
    address = email()
    with Client(denizen.nats_url) as client:
        exec(SNIPPET.replace("user@example.com", address), {"client": client})
        user = client.auth.users.get_by_email(address)
    assert capsys.readouterr().out == f"User ID: {user.id}\n"
    assert (user.profile.first_name, user.metadata) == ("John", {"plan": "pro", "source": "signup"})
