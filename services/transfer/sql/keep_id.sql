-- Keep the id of a command and a digest of what it asks for, among those of all other commands: each id is used for one
-- request, whichever service runs it. Returns what the id is used for. Where another service has kept it just now, there
-- is no row: ask again.
with kept as (
    insert into commands (command_id, operation, digest, recorded_at)
    values (%(command_id)s, %(operation)s, %(digest)s, now())
    on conflict (command_id) do nothing
    returning operation, digest
)
select operation, digest from kept
union all
select operation, digest from commands where command_id = %(command_id)s
