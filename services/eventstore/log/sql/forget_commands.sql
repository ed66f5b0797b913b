-- A repeat is recognised for 24 h; a bounded number a call, so that no statement runs long.
delete from commands where command_id in (
    select command_id from commands where recorded_at < now() - interval '24 hours' limit 5000
)
