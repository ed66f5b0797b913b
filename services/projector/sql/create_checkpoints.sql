-- How far each projection is; its row moves in the transaction that changes its tables.
create table if not exists projections (
    name       text primary key,
    version    integer not null,
    position   bigint not null,
    applied_at timestamptz not null default now()
)
