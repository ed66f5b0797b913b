"""UpdateUser."""

from denizen import messages as m

from services.accounts.handlers.handler import Handler
from services.domain.decide import profile

ROWS = (Handler(request=m.UpdateUser, decide=profile.update),)
