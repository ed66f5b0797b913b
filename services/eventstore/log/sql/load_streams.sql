-- Parts of streams: the newest snapshot of each that is wanted, and a page of the events behind it. Of an erased user, who
-- has no data key, the last event says all there is to say. Lateral, and sorted last: planned while the tables are small, it
-- would read all keys or all events in their order, and go on so until the next analyze (1 to 8 ms a command, measured at
-- 20,000 users).
with based as materialized (
    select w.number, w.stream, w.until, k.epoch, k.wrapped, s.version, s.position, s.recorded_at, s.private,
           coalesce(s.version, last.version - 1, w.after) as after
    from unnest(%(streams)s::text[], %(afters)s::integer[], %(untils)s::integer[],
                %(alone)s::boolean[]) with ordinality as w (stream, after, until, alone, number)
    left join lateral (
        select epoch, wrapped from data_keys where user_id = split_part(w.stream, '/', 1) limit 1) k on true
    left join lateral (
        select version, position, recorded_at, private
        from snapshots
        where not w.alone and user_id = w.stream and form = %(form)s and version > w.after and version <= w.until
        order by version desc
        limit 1) s on true
    left join lateral (
        select version
        from events
        where k.epoch is null and stream = w.stream and version > w.after and version <= w.until
        order by version desc
        limit 1) last on true
)
select number, position, null::uuid, stream, version, null::text, null::smallint, null::jsonb, private, null::jsonb,
       recorded_at, epoch, wrapped
from based
where version is not null
union all
select b.number, e.position, e.event_id, e.stream, e.version, e.type, e.schema_version, e.public, e.private, e.metadata,
       e.recorded_at, b.epoch, b.wrapped
from based b
cross join lateral (
    select *
    from events
    where stream = b.stream and version > b.after and version <= b.until
    order by version
    limit %(page)s) e
order by number, version
