-- How many users have a status, or there are.
select coalesce(sum(count), 0)::bigint as count, false as estimated from user_counts
where %(status)s::text is null or status = %(status)s
