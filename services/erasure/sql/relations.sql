-- Everything of a cell that keeps rows, as the catalogue has it: a new table cannot be forgotten. Beside the cell's schema
-- those that are named after it, such as that of a rebuild, but no other cell's.
select n.nspname::text, c.relname::text,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm', 'f')
  and (n.nspname = %(cell)s
       or starts_with(n.nspname, %(cell)s || '_') and to_regclass(format('%%I.log_head', n.nspname)) is null)
order by n.nspname, c.relname
