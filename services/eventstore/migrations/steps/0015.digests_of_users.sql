-- Erasure drops the digests of what a user's commands asked for: they hold addresses and passwords, though under a key.
create index commands_user_id on commands (user_id) where digest is not null;
