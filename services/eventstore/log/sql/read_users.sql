-- Users' streams up to a position, in the order of the index from an event to a user, with the data keys of those who are
-- not erased.
select e.position, e.stream, e.version, e.type, e.schema_version, e.public::text, e.private, e.recorded_at, k.epoch, k.wrapped
from (select * from events
      where (stream, version) > (%s, %s) and stream < %s and position <= %s
      order by stream, version
      limit 1000) e
left join lateral (select epoch, wrapped from data_keys where user_id = e.user_id limit 1) k on true
order by e.stream, e.version
