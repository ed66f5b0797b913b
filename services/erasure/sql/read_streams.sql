-- The streams of a user: the main one, and those beside it.
select position, event_id, stream, version, type, schema_version, public, encode(private, 'hex') as private, metadata,
       recorded_at, hash
from events
where stream = %(user_id)s or (stream >= %(user_id)s || '/' and stream < %(user_id)s || '0') -- '0' follows '/'
order by stream, version
