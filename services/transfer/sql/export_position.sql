-- The position that an export shows: read in its snapshot.
select position from projections where name = 'users'
