-- The head of the log, and its newest event.
select h.position, (select coalesce(max(position), 0) from events) from log_head h
