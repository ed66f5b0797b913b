-- What became of a chunk's rows; of one that is repeated, what its repeat found.
insert into import_chunks (import_id, chunk, created, updated, skipped, failed)
values (%(import_id)s, %(chunk)s, %(created)s, %(updated)s, %(skipped)s, %(failed)s)
on conflict (import_id, chunk) do update
set created = excluded.created, updated = excluded.updated, skipped = excluded.skipped, failed = excluded.failed
