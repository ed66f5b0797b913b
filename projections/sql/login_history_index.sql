-- The last time that a user had signed in by a moment: logins_as_of.sql. Refused attempts, which may be many, are not in it.
create index if not exists login_history_succeeded on login_history (user_id, time, position) where outcome = 'succeeded';
