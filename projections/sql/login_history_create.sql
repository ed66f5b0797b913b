-- Attempts to sign in, by the position of their event.
create table if not exists login_history (
    user_id    text        not null collate "C",
    position   bigint      not null,
    time       timestamptz not null,
    outcome    text        not null,
    ip         text,
    user_agent text,
    succeeded  bigint      not null, -- how often the user had signed in by then, this attempt included
    primary key (user_id, position)
);
