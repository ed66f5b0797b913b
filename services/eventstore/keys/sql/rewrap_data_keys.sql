-- Returned as they are stored: they are opened before the commit that lets go of the old ones.
update data_keys k set epoch = %(epoch)s, wrapped = decode(r.wrapped, 'hex')
from json_to_recordset(%(keys)s::json) as r (user_id text, wrapped text)
where k.user_id = r.user_id
returning k.user_id, k.wrapped
