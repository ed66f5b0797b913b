select version from projections where name = %s for update
