"""UpdateUser."""

from denizen import messages as m

from services.accounts.handlers.handler import HandlerRow
from services.domain.decide import profile

ROWS = (HandlerRow(request=m.UpdateUser, decide=profile.update),)
