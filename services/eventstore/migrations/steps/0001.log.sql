-- The log of one cell, and what the transaction of an append writes with it.
-- The owner runs this; services act as the role <cell>_app, which can add to the log and never change it.

-- Every change, in commit order without gaps: `position` is head + 1, + 2, ... taken under the lock of log_head.
create table events (
    position       bigint      primary key,
    event_id       uuid        not null,
    stream         text        not null collate "C",
    user_id        text        generated always as (split_part(stream, '/', 1)) virtual,
    version        integer     not null check (version > 0),
    type           text        not null,
    schema_version smallint    not null,
    public         jsonb       not null,
    private        bytea,
    metadata       jsonb       not null,
    recorded_at    timestamptz not null,
    hash           bytea       not null,
    -- What correctness rests on: two decisions on one version cannot both be stored.
    unique (stream, version)
);

-- One row: the position of the newest event. Its lock makes appends commit in order.
create table log_head (
    singleton boolean primary key default true check (singleton),
    position  bigint  not null
);
insert into log_head (position) values (0);

-- Who holds an address, external id or identity; the key is an HMAC under a server key.
create table claims (
    key     bytea primary key,
    user_id text  not null collate "C"
);

-- Each user's data key, wrapped by the key-encryption key of an epoch.
create table data_keys (
    user_id text     primary key collate "C",
    epoch   smallint not null,
    wrapped bytea    not null
);

-- The outcome of each command that named its id, for 24 h: a refusal, or the version of the user that the reply shows.
create table commands (
    command_id  text        primary key collate "C",
    user_id     text        collate "C",
    version     integer,
    refusal     jsonb,
    recorded_at timestamptz not null
);
create index commands_recorded_at on commands using brin (recorded_at);

-- What tells this log's keys from another log's: a service that holds the wrong ones does not start.
create table key_checks (
    name  text  primary key,
    value bytea not null
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the log is append-only: % on % refused', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end
$$;
create trigger append_only before update or delete or truncate on events
    for each statement execute function refuse_change();

do $$
declare
    app text := current_schema() || '_app';
begin
    if not exists (select from pg_roles where rolname = app) then
        begin
            execute format('create role %I nologin', app);
        exception when duplicate_object or unique_violation then
            null; -- another database of this cluster made it just now
        end;
    end if;
    execute format('grant usage, create on schema %I to %I', current_schema(), app);
    execute format('grant select, insert on events, key_checks to %I', app);
    execute format('grant select, update on log_head to %I', app);
    execute format('grant select, insert, delete on claims to %I', app);
    execute format('grant select, insert, update, delete on data_keys, commands to %I', app);
end
$$;
