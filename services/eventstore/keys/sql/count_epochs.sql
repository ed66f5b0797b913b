-- How many keys are wrapped under each epoch.
select epoch, count(*) from (select epoch from data_keys union all select epoch from server_keys) as k group by epoch
