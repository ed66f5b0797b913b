-- Rotation of key-encryption keys: nothing new is wrapped under an epoch that is on its way out, whoever tries.

create table retired_epochs (
    epoch      smallint    primary key,
    retired_at timestamptz not null default now(),
    emptied_at timestamptz -- since then nothing is wrapped under it; null: its rotation has not ended
);

-- Once a statement: a service that holds an old ring is told so, and takes the new key (services/eventstore/log/postgres.py).
create function refuse_retired_epoch() returns trigger language plpgsql set search_path from current as $$
begin
    if exists (select from written join retired_epochs using (epoch)) then
        raise exception 'the epoch is retired' using errcode = 'check_violation', constraint = 'living_epoch';
    end if;
    return null;
end
$$;
create trigger living_epoch_insert after insert on data_keys
    referencing new table as written for each statement execute function refuse_retired_epoch();
create trigger living_epoch_update after update on data_keys
    referencing new table as written for each statement execute function refuse_retired_epoch();
create trigger living_epoch_insert after insert on server_keys
    referencing new table as written for each statement execute function refuse_retired_epoch();
create trigger living_epoch_update after update on server_keys
    referencing new table as written for each statement execute function refuse_retired_epoch();

do $$
begin
    execute format('grant select, insert, update on retired_epochs to %I', current_schema() || '_app');
end
$$;
