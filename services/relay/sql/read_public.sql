-- What is published of the events after a position; and of what ends sessions, where in the user's own history it is
-- (services/domain/sessions.py), which is looked up of what ended all sessions of a user alone.
select position, event_id::text, user_id, type, public::text, metadata ->> 'traceparent', recorded_at,
       case when stream = user_id then version::bigint << 32
            when type = 'SessionsRevoked' then (
                select o.version from events o where o.stream = e.user_id and o.position < e.position
                order by o.version desc limit 1
            )::bigint << 32 | version
            else 0 end
from events e
where position > %s
order by position
limit %s
