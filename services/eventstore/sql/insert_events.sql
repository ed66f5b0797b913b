-- Add events at positions that follow the head without a gap, and move the head. Never with ON CONFLICT: a lost race must
-- fail.
with added as (
    insert into events
        (position, event_id, stream, version, type, schema_version, public, private, metadata, recorded_at, hash)
    select position, event_id, stream, version, type, schema_version, public, decode(private, 'hex'), metadata,
           recorded_at, decode(hash, 'hex')
    from json_to_recordset(%s::json) as e (
        position bigint, event_id uuid, stream text, version integer, type text, schema_version smallint,
        public jsonb, private text, metadata jsonb, recorded_at timestamptz, hash text
    )
)
update log_head set position = %s
