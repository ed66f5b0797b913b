"""LinkIdentity, UnlinkIdentity."""

from denizen import messages as m

from services.accounts.handlers.handler import Handler
from services.domain.decide import identities

ROWS = (
    Handler(request=m.LinkIdentity, decide=identities.link),
    Handler(request=m.UnlinkIdentity, decide=identities.unlink),
)
