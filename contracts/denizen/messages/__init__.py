"""The bodies of requests and replies: JSON in UTF-8, camelCase (docs/reference/messages.md)."""

from denizen.messages.base import *
from denizen.messages.credentials import *
from denizen.messages.directory import *
from denizen.messages.events import *
from denizen.messages.history import *
from denizen.messages.identities import *
from denizen.messages.origin import *
from denizen.messages.sessions import *
from denizen.messages.subscribers import *
from denizen.messages.tokens import *
from denizen.messages.transfer import *
from denizen.messages.users import *
