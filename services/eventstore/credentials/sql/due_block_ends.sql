-- Blocks whose end has come, the oldest first. The clock of PostgreSQL counts, which all processes share.
select user_id, ends_at from block_ends where ends_at <= now() order by ends_at limit %s
