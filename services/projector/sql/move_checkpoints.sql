-- From exactly where we left them: a second projector at work would be noticed here and its batch undone.
update projections p set position = %(to)s, applied_at = now()
from json_to_recordset(%(moves)s::json) as m (name text, version integer, "from" bigint)
where p.name = m.name and p.version = m.version and p.position = m."from"
