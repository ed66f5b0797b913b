create table if not exists by_email (
    email_key text primary key collate "C",
    user_id   text not null collate "C"
);
create index if not exists by_email_user on by_email (user_id);
