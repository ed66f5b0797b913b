-- The owner owns the tables of the projections, and the projector changes rows alone: code that a table's owner puts into it
-- (a policy, a trigger, a view in its place) runs with the rights of its readers. Rebuilds make and swap tables by the
-- functions below, which run as the owner and take no SQL from their caller.

-- What the login of an earlier version's projector made could hold such code: it goes, and is built anew from the log. Tables
-- that were made under <cell>_app are taken over (services/eventstore/migrations/roles.py). Only where the login owns something in
-- this database: a cell of the same name in another one has the same login, which would lose its rights there.
do $$
declare
    projector text := current_schema() || '_projector';
begin
    if exists (
        select from pg_roles r
        join pg_shdepend d on d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'o'
        where r.rolname = projector and pg_has_role(r.oid, 'usage')
          and d.dbid = (select oid from pg_database where datname = current_database())
    ) then
        execute format('drop owned by %I cascade', projector);
    end if;
end
$$;

-- How far each projection is; its row moves in the transaction that changes its tables.
create table if not exists projections (
    name       text        primary key,
    version    integer     not null,
    position   bigint      not null,
    applied_at timestamptz not null default now()
);

-- The tables of the projections of this version of Denizen, and the statements that make them: the first one the tables, the
-- others their indexes. `denizen migrate` writes them (services/eventstore/migrations/projection_forms.py).
create table projection_forms (
    name    text    primary key,
    version integer not null,
    tables  text[]  not null,
    steps   text[]  not null
);

do $migration$
declare
    cell text := current_schema();
    scratch text := current_schema() || '_rebuild';
begin
    -- Where a table is missing, a temporary one of the caller's, whose triggers would run as the owner, would be found in its
    -- place: a session that has some is refused.
    execute format($create$
        create function make_projection(projection text, of_version integer, step integer) returns void
        language plpgsql security definer
        set search_path to %1$I, pg_temp
        set standard_conforming_strings to on
        as $body$
        declare
            form %2$I.projection_forms;
        begin
            if exists (select from pg_class where relnamespace = pg_my_temp_schema()) then
                raise exception 'make_projection does not run in a session with temporary tables'
                    using errcode = 'object_not_in_prerequisite_state';
            end if;
            select * into form from %2$I.projection_forms where name = projection and version = of_version;
            if form.steps[step] is null then
                raise exception 'this cell was migrated by another version of Denizen: run `denizen migrate` of this one'
                    using errcode = 'object_not_in_prerequisite_state';
            end if;
            execute form.steps[step];
        end
        $body$
    $create$, scratch, cell);
    -- In the transaction of the checkpoint: the new tables, which are in the scratch schema, in the place of the live ones.
    execute format($create$
        create function swap_projection(projection text, of_version integer) returns void
        language plpgsql security definer
        set search_path to pg_catalog, pg_temp
        as $body$
        declare
            relation text;
        begin
            foreach relation in array
                (select tables from %2$I.projection_forms where name = projection and version = of_version)
            loop
                execute format('drop table if exists %2$I.%%I', relation);
                execute format('alter table %1$I.%%I set schema %2$I', relation);
            end loop;
        end
        $body$
    $create$, scratch, cell);
    execute format($create$
        create function drop_scratch_tables() returns void
        language plpgsql security definer
        set search_path to pg_catalog, pg_temp
        as $body$
        declare
            relation text;
        begin
            for relation in select tablename from pg_tables where schemaname = %1$L loop
                execute format('drop table %1$I.%%I', relation);
            end loop;
        end
        $body$
    $create$, scratch);
end
$migration$;
revoke all on function make_projection, swap_projection, drop_scratch_tables from public;
