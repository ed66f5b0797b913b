-- Take addresses, external ids and identities. A key that is not returned is taken already; one that another
-- transaction takes just now is waited for. In the order of the keys, in every process, so that two batches cannot wait for
-- each other.
insert into claims (key, user_id)
select * from unnest(%s::bytea[], %s::text[])
on conflict (key) do nothing
returning key
