-- The sessions by which processes of a service show that they live (services/platform/heartbeat.py): the process and its machine, how
-- many seconds ago it last used its session, how it logged in, and whether that login has the rights of the log's owner.
select split_part(application_name, '/', 4), coalesce(host(client_addr), 'this machine'),
       extract(epoch from clock_timestamp() - state_change)::float,
       usename::text, pg_has_role(usesysid, (select relowner from pg_class where oid = 'events'::regclass), 'member')
from pg_stat_activity
where datname = current_database() and starts_with(application_name, %(prefix)s)
order by 3 desc
