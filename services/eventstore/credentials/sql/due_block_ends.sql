-- Blocks whose end has come, the oldest first, a page at a time: an end that cannot be dealt with holds up no other. The clock of
-- PostgreSQL counts, which all processes share.
select user_id, ends_at from block_ends
where ends_at <= now() and (ends_at, user_id) > (%s, %s)
order by ends_at, user_id
limit %s
