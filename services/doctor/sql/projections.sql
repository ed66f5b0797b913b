-- How many events the slowest projection lacks, and how many seconds ago the oldest of them was recorded.
select h.position - s.position,
       extract(epoch from clock_timestamp() - (
           select recorded_at from events e where e.position > s.position order by e.position limit 1))::float
from log_head h
cross join (select min(position) as position from projections) s
