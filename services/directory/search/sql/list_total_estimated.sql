-- So many that they are not counted.
select %(estimate)s::bigint as count, true as estimated
