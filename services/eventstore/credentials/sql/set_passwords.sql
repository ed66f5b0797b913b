insert into passwords (user_id, hash)
select * from unnest(%s::text[], %s::text[])
on conflict (user_id) do update set hash = excluded.hash
