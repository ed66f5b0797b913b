with gone as (delete from users where user_id = any(%s) returning status)
insert into user_counts (status, count)
select status, -count(*) from gone group by status
on conflict (status) do update set count = user_counts.count + excluded.count
