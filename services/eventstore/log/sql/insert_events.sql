-- Add events at positions that follow the head without a gap, and move the head. Never with ON CONFLICT: a lost race must
-- fail.
with added as (
    insert into events
        (position, event_id, stream, version, type, schema_version, public, private, metadata, recorded_at, hash)
    select *
    from unnest(
        %s::bigint[], %s::uuid[], %s::text[], %s::integer[], %s::text[], %s::integer[], %s::jsonb[], %s::bytea[],
        %s::jsonb[], %s::timestamptz[], %s::bytea[]
    )
)
update log_head set position = %s
