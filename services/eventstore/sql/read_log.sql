-- The log after a position, with the data keys of those who are not erased.
select e.position, e.event_id, e.stream, e.version, e.type, e.schema_version, e.public, e.private, e.metadata,
       e.recorded_at, k.epoch, k.wrapped
from events e
left join data_keys k on k.user_id = e.user_id
where e.position > %s
order by e.position
limit %s
