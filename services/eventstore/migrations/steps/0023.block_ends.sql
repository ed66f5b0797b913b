-- The blocks that end by themselves. It is written with the events of the block; accounts looks for those whose end has come.
create table block_ends (
    user_id text primary key,
    ends_at timestamptz not null
);
create index block_ends_by_time on block_ends (ends_at, user_id);
