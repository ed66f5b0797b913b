-- How far imports are: a row for each chunk that is done, with what became of its rows.
create table import_chunks (
    import_id   text        not null collate "C",
    chunk       integer     not null,
    created     integer     not null,
    updated     integer     not null,
    skipped     integer     not null,
    failed      integer     not null,
    recorded_at timestamptz not null default now(),
    primary key (import_id, chunk)
);

do $$
begin
    execute format('grant select, insert, update, delete on import_chunks to %I', current_schema() || '_app');
end
$$;
