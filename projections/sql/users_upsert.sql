-- A document never goes back: events that are applied again change nothing.
insert into users (user_id, status, doc)
select user_id, status, doc from json_to_recordset(%s::json) as u (user_id text, status text, doc json)
on conflict (user_id) do update set status = excluded.status, doc = excluded.doc
where (excluded.doc ->> 'version')::integer > (users.doc ->> 'version')::integer
