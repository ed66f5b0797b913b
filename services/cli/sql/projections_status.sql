-- How far each projection is, how many events the log is ahead of it, and when it last moved.
select p.name, p.version, p.position, h.position - p.position, p.applied_at
from projections p cross join log_head h
