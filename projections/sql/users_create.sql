-- The directory. `doc` is the user as GetUser answers it, kept as text so that a look-up need not write it again.
create table if not exists users (
    user_id        text primary key collate "C",
    status         text not null,
    doc            json not null,
    login_position bigint not null default 0, -- of the last login that is counted in it
    email          text not null collate "C", -- what lists are sorted by: folded
    name           text not null collate "C",
    search         text not null collate "C"  -- what searches compare: folded pieces, a space before each
) with (fillfactor = 90);

-- How many users have each status; it moves with their rows.
create table if not exists user_counts (
    status text   primary key,
    count  bigint not null
);

-- The users with a word in the address or names: letters and digits that follow each other in `search`.
create table if not exists user_words (
    word    text not null collate "C",
    user_id text not null collate "C"
) with (autovacuum_vacuum_insert_scale_factor = 0.02); -- searches read the index alone where pages are marked

-- Each of these words once: what a part of a word is looked up in.
create table if not exists words (
    word text not null collate "C"
);
