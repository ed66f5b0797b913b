insert into user_counts (status, count)
select status, change from json_to_recordset(%s::json) as moves (status text, change bigint)
on conflict (status) do update set count = user_counts.count + excluded.count
