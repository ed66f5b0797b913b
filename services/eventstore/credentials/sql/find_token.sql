-- Whose a reset token is.
select c.user_id, (select coalesce(max(version), 0) from events e where e.stream = c.user_id)
from codes c
where c.digest = %s and c.purpose = 'reset' and c.expires_at > now()
