-- Held by the session; crc32 has 32 bits without a sign.
select pg_try_advisory_lock(1684369006, %s::int8::bit(32)::int4)
