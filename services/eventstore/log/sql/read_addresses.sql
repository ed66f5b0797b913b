-- The events after a position that give users an address, in the form of read_log.sql.
select e.position, e.event_id, e.stream, e.version, e.type, e.schema_version, e.public, e.private, e.metadata,
       e.recorded_at, k.epoch, k.wrapped
from (select * from events where position > %s and type in ('UserCreated', 'EmailChanged')
      order by position limit %s) e
left join lateral (select epoch, wrapped from data_keys where user_id = e.user_id limit 1) k on true
order by e.position
