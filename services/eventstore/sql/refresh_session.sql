-- The next generation, for the request that comes first.
update sessions
set generation = generation + 1, command_id = %(command_id)s, refreshed_at = %(at)s, expires_at = %(expires_at)s
where session_id = %(session_id)s and generation = %(generation)s and expires_at > now()
returning generation
