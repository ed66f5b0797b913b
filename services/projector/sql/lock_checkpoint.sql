select version, position from projections where name = %s for update
