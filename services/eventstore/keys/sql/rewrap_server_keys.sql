update server_keys k set epoch = %(epoch)s, wrapped = decode(r.wrapped, 'hex')
from json_to_recordset(%(keys)s::json) as r (key_id text, wrapped text)
where k.key_id = r.key_id
