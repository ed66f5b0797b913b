-- Ends of blocks that are there no more: a service of an earlier version took the blocks away, and knew of no end.
delete from block_ends where (user_id, ends_at) in (select * from unnest(%s::text[], %s::timestamptz[]))
