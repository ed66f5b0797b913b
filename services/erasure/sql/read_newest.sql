-- The last event of a user's own stream.
select type, recorded_at, position, hash from events where stream = %s order by version desc limit 1
