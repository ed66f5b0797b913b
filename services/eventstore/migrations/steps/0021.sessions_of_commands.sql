-- The session that a command began is found among a user's thousands without reading them all. It takes the place of the
-- index by user alone, so that a sign-in writes no more than before.
create index sessions_user_command on sessions (user_id, command_id);
drop index sessions_user;
