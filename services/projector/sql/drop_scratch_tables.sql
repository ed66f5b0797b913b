select drop_scratch_tables()
