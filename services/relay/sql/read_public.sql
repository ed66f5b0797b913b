-- What is published of the events after a position.
select position, event_id::text, user_id, type, public::text, metadata ->> 'traceparent', recorded_at
from events
where position > %s
order by position
limit %s
