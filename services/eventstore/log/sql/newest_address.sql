-- The event that gave a user the present address, in the form of read_log.sql.
select e.position, e.event_id, e.stream, e.version, e.type, e.schema_version, e.public, e.private, e.metadata,
       e.recorded_at, k.epoch, k.wrapped
from (select * from events where stream = %s and type in ('UserCreated', 'EmailChanged')
      order by version desc limit 1) e
left join data_keys k on k.user_id = e.user_id
