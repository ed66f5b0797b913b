-- While the swap waits for a read, later reads wait behind it: not long. And never as long as deadlock_timeout (1 s), so
-- that where a read waits for us too it is the swap that gives way. Its commit is durable.
select set_config('lock_timeout', '100ms', true), set_config('synchronous_commit', 'on', true)
