-- Which event a command added to the stream of the user's logins, by its version there, so that a repeat need not look for it
-- among all of them. Null: it added none, or ran before.
alter table commands add column logins integer;
