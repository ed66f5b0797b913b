-- A chunk that comes again is known by its rows too: HMAC-SHA256 under the claim key. Null: a message that is no chunk, and
-- chunks from before.
alter table import_ids add column digest bytea;
alter table import_chunks add column digest bytea, add column first uuid; -- first: as in import_ids, for as long as the job
