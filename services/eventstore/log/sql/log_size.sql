-- The head, and how many events there are up to which position: equal where none is missing.
select position, (select count(*) from events), (select coalesce(max(position), 0) from events) from log_head
