-- A cache of folds: what a user's stream had come to at some of its versions, so that deciding on a user with 100,000 events
-- reads as little as on one with ten. Each is encrypted under the user's data key, and cannot outlive it: erasure drops both.
create table snapshots (
    user_id     text        not null collate "C" references data_keys (user_id) on delete cascade,
    form        smallint    not null, -- of what is in `private`; a reader looks for its own alone
    version     integer     not null, -- of the stream, after the event at `position`
    position    bigint      not null,
    recorded_at timestamptz not null, -- when that event was
    private     bytea       not null,
    primary key (user_id, form, version)
);
-- The user as of a time.
create index snapshots_recorded_at on snapshots (user_id, form, recorded_at, version);
-- What is encrypted cannot be compressed.
alter table snapshots alter column private set storage external;

do $$
begin
    execute format('grant select, insert, delete on snapshots to %I', current_schema() || '_app');
end
$$;
