-- From exactly where we left it: a second projector at work would be noticed here and its batch undone.
update projections set position = %(to)s, applied_at = now()
where name = %(name)s and version = %(version)s and position = %(from)s
