-- A key that was dropped at once leaves its id, without the key, for as long as a token of its could be good: an accounts
-- service that was away has verifiers refuse them when it is back.
alter table server_keys add column dropped_at timestamptz;
