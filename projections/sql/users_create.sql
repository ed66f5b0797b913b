-- The directory. `doc` is the user as GetUser answers it, kept as text so that a look-up need not write it anew.
create table if not exists users (
    user_id text primary key collate "C",
    status  text not null,
    doc     json not null
) with (fillfactor = 90);
create index if not exists users_status on users (status, user_id);
