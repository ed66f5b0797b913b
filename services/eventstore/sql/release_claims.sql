-- Free what a user held. The holder is named, so that nobody can free what another holds.
delete from claims c
using (select decode(key, 'hex') as key, user_id from json_to_recordset(%s::json) as r (key text, user_id text)) r
where c.key = r.key and c.user_id = r.user_id
