-- The log after a position, with the data keys of those who are not erased. Lateral: the planner does not know the limit,
-- and would read all keys to join them.
select e.position, e.event_id, e.stream, e.version, e.type, e.schema_version, e.public, e.private, e.metadata,
       e.recorded_at, k.epoch, k.wrapped
from (select * from events where position > %s order by position limit %s) e
left join lateral (select epoch, wrapped from data_keys where user_id = e.user_id limit 1) k on true
order by e.position
