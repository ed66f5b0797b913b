-- The wrapped data keys of new users.
insert into data_keys (user_id, epoch, wrapped)
select user_id, epoch, decode(wrapped, 'hex')
from json_to_recordset(%s::json) as k (user_id text, epoch smallint, wrapped text)
on conflict (user_id) do nothing -- then the stream is not new, which the check of its version tells
