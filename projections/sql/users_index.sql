-- What lists use.
alter table users alter column search set statistics 400; -- about how many match is told to within a half per cent
create index if not exists users_status on users (status, user_id);
create index if not exists users_email on users (email, user_id);
create index if not exists users_name on users (name, user_id);
