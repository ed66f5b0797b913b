-- Positions that should be there and are not, as ranges.
select first, last from (
    select lag(position, 1, 0::bigint) over (order by position) + 1 as first, position - 1 as last
    from (select position from events union all select position + 1 from log_head) as p
) as ranges
where first <= last
order by first
limit 100
