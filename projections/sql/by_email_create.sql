create table if not exists by_email (
    email_key text primary key collate "C",
    user_id   text not null collate "C"
);
