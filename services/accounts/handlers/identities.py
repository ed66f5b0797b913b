"""LinkIdentity, UnlinkIdentity."""

from denizen import messages as m

from services.accounts.handlers.handler import HandlerRow
from services.domain.decide import identities

ROWS = (
    HandlerRow(request=m.LinkIdentity, decide=identities.link),
    HandlerRow(request=m.UnlinkIdentity, decide=identities.unlink),
)
