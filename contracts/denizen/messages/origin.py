"""The origin of a sign-in, as a front end passes it on. A browser or a proxy wrote it, and the user cannot mend it:
what can be understood is cleaned, so that it never keeps a user out.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

__all__ = ["Ip", "UserAgent"]

USER_AGENT_CHARACTERS = 512
"""What is kept of a user agent."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_IPV4_AND_PORT = re.compile(r"([0-9.]+):[0-9]{1,5}")
_BRACKETED = re.compile(r"\[([^\[\]]+)\](?::[0-9]{1,5})?")
_UNKNOWN = re.compile(r"unknown|_[A-Za-z0-9._-]+|", re.IGNORECASE)
"""RFC 7239, sections 6.2 and 6.3: a proxy does not know the address, or hides it."""


def user_agent(text: str) -> str:
    """A user agent on one line, cut at `USER_AGENT_CHARACTERS`."""
    return _CONTROL.sub(" ", text).strip()[:USER_AGENT_CHARACTERS]


def ip(text: str) -> str | None:
    """The address without what proxies add to it: quotes, a port, brackets, a zone; None where it says "unknown".

    A zone (`%eth0`, RFC 4007) means nothing on another machine. The service checks what is left.
    """
    text = text.strip().strip('"')
    if _UNKNOWN.fullmatch(text):
        return None
    form = _BRACKETED.fullmatch(text) or _IPV4_AND_PORT.fullmatch(text)
    return (form[1] if form else text).partition("%")[0]


Ip = Annotated[str, StringConstraints(max_length=128), AfterValidator(ip)]
"""An IPv4 or IPv6 address, as the front end saw it. A port, brackets and a zone are removed; `unknown` is none."""
UserAgent = Annotated[str, AfterValidator(user_agent)]
"""Control characters become spaces; of more than 512 characters the rest is cut."""
