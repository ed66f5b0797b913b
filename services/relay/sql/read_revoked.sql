-- A page of the events that ended sessions lately, with their places as in read_public.sql. Materialized: the order by
-- position would otherwise have the server read the whole log along its primary key, and not the last hour by
-- events_recorded_at.
with recent as materialized (
    select type, user_id, position, stream, version, public ->> 'sessionId' as session_id
    from events
    where recorded_at > now() - make_interval(secs => %s) and position > %s and type = any(%s)
)
select type, user_id,
       case when stream = user_id then version::bigint << 32
            else (
                select o.version from events o where o.stream = r.user_id and o.position < r.position
                order by o.version desc limit 1
            )::bigint << 32 | version end,
       session_id, position
from recent r
order by position
limit %s
