-- The newest code of a purpose is the only one.
insert into codes (user_id, purpose, digest, long_digest, expires_at)
select user_id, purpose, decode(digest, 'hex'), decode(long_digest, 'hex'), expires_at
from json_to_recordset(%s::json)
    as c (user_id text, purpose text, digest text, long_digest text, expires_at timestamptz)
on conflict (user_id, purpose) do update
set digest = excluded.digest, long_digest = excluded.long_digest, expires_at = excluded.expires_at, attempts = 0
