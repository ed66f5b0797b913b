-- Held by the session, beside others who share it; the number as in try_lock.sql.
select pg_advisory_lock_shared(1684369006, %s::int8::bit(32)::int4)
