-- What a long verification code is compared with. It is not counted: 128 random bits are not found by trying.
select digest, long_digest, (select coalesce(max(version), 0) from events e where e.stream = %(user_id)s)
from codes
where user_id = %(user_id)s and purpose = 'verify' and long_digest is not null and expires_at > now()
