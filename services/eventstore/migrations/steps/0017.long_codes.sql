-- The mail of a verification code holds a long one, too, which wrong tries do not use up. Null: a reset token, or a code that the
-- version before made.
alter table codes add column long_digest bytea;
