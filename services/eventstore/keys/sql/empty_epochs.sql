update retired_epochs set emptied_at = now() where emptied_at is null
