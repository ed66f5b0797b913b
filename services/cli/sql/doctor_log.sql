-- The head of the log, its newest event, and how far behind the slowest projection is.
select h.position, (select coalesce(max(position), 0) from events), h.position - (select min(position) from projections)
from log_head h
