-- Where projections are built anew beside the live ones; empty but for the time of a rebuild.
do $$
declare
    scratch text := current_schema() || '_rebuild';
begin
    execute format('create schema if not exists %I', scratch);
    execute format('grant usage, create on schema %I to %I', scratch, current_schema() || '_app');
end
$$;
