-- The next data keys that are not wrapped under this epoch. Those that others hold are left for the next pass: they are
-- being erased, and two who wait for each other's rows would be a deadlock.
select user_id, epoch, wrapped
from data_keys
where user_id > %(after)s and epoch <> %(epoch)s
order by user_id
limit %(limit)s
for update skip locked
