-- Take addresses, external ids and identities. A key that is not returned is somebody's already; one that another
-- transaction takes just now is waited for.
insert into claims (key, user_id)
select decode(key, 'hex'), user_id
from json_to_recordset(%s::json) as c (key text, user_id text)
order by 1 -- one order in every process, so that two batches cannot wait for each other
on conflict (key) do nothing
returning key
