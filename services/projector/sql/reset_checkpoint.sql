-- The tables are made anew, from the first event on.
update projections set version = %s, position = 0 where name = %s
