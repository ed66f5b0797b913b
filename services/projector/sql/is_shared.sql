-- Whether a session shares a lock; the number as in try_lock.sql. Nothing is held afterwards.
select not pg_try_advisory_xact_lock(1684369006, %s::int8::bit(32)::int4)
