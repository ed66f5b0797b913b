-- A page of the events that ended sessions lately. Materialized: the order by position would otherwise have the server
-- read the whole log along its primary key, and not the last hour by events_recorded_at.
with recent as materialized (
    select type, user_id, position, public ->> 'sessionId' as session_id
    from events
    where recorded_at > now() - make_interval(secs => %s) and position > %s and type = any(%s)
)
select type, user_id, position, session_id from recent
order by position
limit %s
