-- Those that are not wrapped under this epoch.
select count(*) from data_keys where epoch <> %s
