-- What an acknowledged commit rests on, and the server's clock.
select current_setting('server_version_num')::int, current_setting('fsync'), current_setting('synchronous_commit'),
       current_setting('full_page_writes'), extract(epoch from clock_timestamp())::float
