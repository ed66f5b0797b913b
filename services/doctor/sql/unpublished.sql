-- How many events follow a position, and how many seconds ago the first of them was recorded.
select h.position - %(published)s::bigint,
       extract(epoch from clock_timestamp() - (
           select recorded_at from events e where e.position > %(published)s order by e.position limit 1))::float
from log_head h
