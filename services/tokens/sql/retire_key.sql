-- Nothing is signed with a retired key, so its private half goes at once; secrets sealed for one may be on their way.
update server_keys
set retired_at = now(), wrapped = case kind when 'signing' then ''::bytea else wrapped end
where kind = %(kind)s and retired_at is null
returning key_id
