-- For one transaction: how long it waits for a lock; and its commit is durable.
select set_config('lock_timeout', %s, true), set_config('synchronous_commit', 'on', true)
