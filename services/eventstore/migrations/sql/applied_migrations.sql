-- The migrations that the cell has had; the table is yoyo's.
select migration_id from _yoyo_migration
