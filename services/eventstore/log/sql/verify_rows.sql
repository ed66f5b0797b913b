-- Every row, stream by stream: one hash has to be kept at a time.
select position, event_id, stream, version, type, schema_version, public, encode(private, 'hex') as private, metadata,
       recorded_at, hash
from events
order by stream, version
