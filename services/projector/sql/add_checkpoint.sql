insert into projections (name, version, position) values (%s, %s, 0) on conflict (name) do nothing
