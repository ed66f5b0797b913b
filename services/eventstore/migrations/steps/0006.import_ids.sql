-- From which id on the users of a message of an import are numbered, for 24 h: so that its repeat knows them again.
create table import_ids (
    command_id text        primary key collate "C",
    first      uuid        not null, -- nobody's; the first row's is the next
    begun_at   timestamptz not null default now()
);

do $$
begin
    execute format('grant select, insert, delete on import_ids to %I', current_schema() || '_app');
end
$$;
