-- What became of a chunk's rows. That it is done is kept once, with what its first run found.
insert into import_chunks (import_id, chunk, created, updated, skipped, failed, first, digest)
values (%(import_id)s, %(chunk)s, %(created)s, %(updated)s, %(skipped)s, %(failed)s, %(first)s, %(digest)s)
on conflict (import_id, chunk) do nothing
