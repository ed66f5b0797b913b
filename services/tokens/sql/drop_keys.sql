-- An emergency: from the commit on there is no key of the kind but the new one. The ids stay for a while.
update server_keys
set retired_at = least(retired_at, now()), dropped_at = now(), wrapped = ''::bytea, public = ''::bytea
where kind = %(kind)s and dropped_at is null
returning key_id
