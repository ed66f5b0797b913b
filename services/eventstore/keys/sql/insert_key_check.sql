-- The first service of a log leaves a trace of its key. Reading is a statement of its own (read_key_check.sql): this one
-- does not see the row of another service that committed while it waited for that.
insert into key_checks (name, value) values (%(name)s, %(value)s) on conflict (name) do nothing
