create table if not exists by_external_id (
    external_id text primary key collate "C",
    user_id     text not null collate "C"
);
create index if not exists by_external_id_user on by_external_id (user_id);
