-- The wrapped data keys of new users.
insert into data_keys (user_id, epoch, wrapped)
select * from unnest(%s::text[], %s::smallint[], %s::bytea[])
on conflict (user_id) do nothing -- then the stream is not new, which the check of its version tells
