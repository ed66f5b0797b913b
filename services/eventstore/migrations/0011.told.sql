-- What a command asked for, as HMAC-SHA256 under the claim key: another request with its id is no repeat. Null: from before,
-- and rows of imports, whose chunks have digests of their own.
alter table commands add column digest bytea;
