-- Where tables were put in place.
insert into projections (name, version, position) values (%(name)s, %(version)s, %(position)s)
on conflict (name) do update set version = excluded.version, position = excluded.position, applied_at = now()
