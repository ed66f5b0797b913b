-- As load_streams.sql, of one stream: the newest snapshot up to a time, and of a page of the events behind it those up to
-- then. In a stream no event is recorded before an earlier one.
with based as materialized (
    select w.stream, k.epoch, k.wrapped, s.version, s.position, s.recorded_at, s.private,
           coalesce(s.version, last.version - 1, w.after) as after
    from (select %(stream)s::text as stream, %(after)s::integer as after) w
    left join lateral (select epoch, wrapped from data_keys where user_id = w.stream limit 1) k on true
    left join lateral (
        select version, position, recorded_at, private
        from snapshots
        where user_id = w.stream and form = %(form)s and recorded_at <= %(at)s and version > w.after
        order by recorded_at desc, version desc
        limit 1) s on true
    left join lateral (
        select version from events where k.epoch is null and stream = w.stream order by version desc limit 1) last on true
)
select 1, position, null::uuid, stream, version, null::text, null::smallint, null::jsonb, private, null::jsonb,
       recorded_at, epoch, wrapped
from based
where version is not null
union all
select 1, e.position, e.event_id, e.stream, e.version, e.type, e.schema_version, e.public, e.private, e.metadata,
       e.recorded_at, b.epoch, b.wrapped
from based b
cross join lateral (
    select *
    from (select * from events where stream = b.stream and version > b.after order by version limit %(page)s) page
    where recorded_at <= %(at)s or b.epoch is null) e
order by version
