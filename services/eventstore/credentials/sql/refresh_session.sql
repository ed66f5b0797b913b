-- The next generation, for the request that comes first. An id that the caller named is kept as every command's is: where
-- another command had it, nothing is done.
with refreshed as (
    update sessions
    set generation = generation + 1, command_id = %(command_id)s, refreshed_at = %(at)s, expires_at = %(expires_at)s
    where session_id = %(session_id)s and generation = %(generation)s and expires_at > now()
    returning generation
), kept as (
    insert into commands (command_id, operation, digest, recorded_at)
    select %(command_id)s, 'RefreshSession', %(digest)s::bytea, now() from refreshed where %(digest)s::bytea is not null
)
select generation from refreshed
