-- The end of a block that is there no more: a service of an earlier version took the block away, and knew of no end.
delete from block_ends where user_id = %s and ends_at = %s
