-- The directory. `doc` is the user as GetUser answers it, kept as text so that a look-up need not write it anew.
create table if not exists users (
    user_id        text primary key collate "C",
    status         text not null,
    doc            json not null,
    login_position bigint not null default 0 -- of the last login that is counted in it
) with (fillfactor = 90);
create index if not exists users_status on users (status, user_id);
