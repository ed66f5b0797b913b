-- Made by `make reference` from the migrations. Change those instead; the projector makes further tables.
-- Of the migrations with the digest 202d3c690e203be2.

CREATE SCHEMA denizen;

CREATE FUNCTION denizen.drop_scratch_tables() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
        declare
            relation text;
        begin
            for relation in select tablename from pg_tables where schemaname = 'denizen_rebuild' loop
                execute format('drop table denizen_rebuild.%I', relation);
            end loop;
        end
        $$;

CREATE FUNCTION denizen.make_projection(projection text, of_version integer, step integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'denizen_rebuild', 'pg_temp'
    SET standard_conforming_strings TO 'on'
    AS $$
        declare
            form denizen.projection_forms;
        begin
            if exists (select from pg_class where relnamespace = pg_my_temp_schema()) then
                raise exception 'make_projection does not run in a session with temporary tables'
                    using errcode = 'object_not_in_prerequisite_state';
            end if;
            select * into form from denizen.projection_forms where name = projection and version = of_version;
            if form.steps[step] is null then
                raise exception 'this cell was migrated by another version of Denizen: run `denizen migrate` of this one'
                    using errcode = 'object_not_in_prerequisite_state';
            end if;
            execute form.steps[step];
        end
        $$;

CREATE FUNCTION denizen.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the log is append-only: % on % refused', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end
$$;

CREATE FUNCTION denizen.refuse_retired_epoch() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'denizen'
    AS $$
begin
    if exists (select from written join retired_epochs using (epoch)) then
        raise exception 'the epoch is retired' using errcode = 'check_violation', constraint = 'living_epoch';
    end if;
    return null;
end
$$;

CREATE FUNCTION denizen.swap_projection(projection text, of_version integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
        declare
            relation text;
        begin
            foreach relation in array
                (select tables from denizen.projection_forms where name = projection and version = of_version)
            loop
                execute format('drop table if exists denizen.%I', relation);
                execute format('alter table denizen_rebuild.%I set schema denizen', relation);
            end loop;
        end
        $$;

CREATE TABLE denizen.address_keys (
    "position" bigint NOT NULL
);

CREATE TABLE denizen.block_ends (
    user_id text NOT NULL,
    ends_at timestamp with time zone NOT NULL
);

CREATE TABLE denizen.claims (
    key bytea NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C"
);

CREATE TABLE denizen.codes (
    user_id text NOT NULL COLLATE pg_catalog."C",
    purpose text NOT NULL,
    digest bytea NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    long_digest bytea,
    CONSTRAINT codes_purpose_check CHECK ((purpose = ANY (ARRAY['verify'::text, 'reset'::text])))
);

CREATE TABLE denizen.commands (
    command_id text NOT NULL COLLATE pg_catalog."C",
    user_id text COLLATE pg_catalog."C",
    version integer,
    refusal jsonb,
    recorded_at timestamp with time zone NOT NULL,
    operation text,
    digest bytea,
    logins integer
);

CREATE TABLE denizen.data_keys (
    user_id text NOT NULL COLLATE pg_catalog."C",
    epoch smallint NOT NULL,
    wrapped bytea NOT NULL
);

CREATE TABLE denizen.events (
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    stream text NOT NULL COLLATE pg_catalog."C",
    user_id text GENERATED ALWAYS AS (split_part(stream, '/'::text, 1)),
    version integer NOT NULL,
    type text NOT NULL,
    schema_version smallint NOT NULL,
    public jsonb NOT NULL,
    private bytea,
    metadata jsonb NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT events_version_check CHECK ((version > 0))
);

CREATE TABLE denizen.import_chunks (
    import_id text NOT NULL COLLATE pg_catalog."C",
    chunk integer NOT NULL,
    created integer NOT NULL,
    updated integer NOT NULL,
    skipped integer NOT NULL,
    failed integer NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    digest bytea,
    first uuid
);

CREATE TABLE denizen.import_ids (
    command_id text NOT NULL COLLATE pg_catalog."C",
    first uuid NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    digest bytea
);

CREATE TABLE denizen.key_checks (
    name text NOT NULL,
    value bytea NOT NULL
);

CREATE TABLE denizen.log_head (
    singleton boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT log_head_singleton_check CHECK (singleton)
);

CREATE TABLE denizen.mails (
    mail_id uuid NOT NULL,
    user_id text NOT NULL COLLATE pg_catalog."C",
    private bytea NOT NULL,
    due_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    attempts smallint DEFAULT 0 NOT NULL
);

CREATE TABLE denizen.passwords (
    user_id text NOT NULL COLLATE pg_catalog."C",
    hash text NOT NULL
);

CREATE TABLE denizen.projection_forms (
    name text NOT NULL,
    version integer NOT NULL,
    tables text[] NOT NULL,
    steps text[] NOT NULL
);

CREATE TABLE denizen.projections (
    name text NOT NULL,
    version integer NOT NULL,
    "position" bigint NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE denizen.retired_epochs (
    epoch smallint NOT NULL,
    retired_at timestamp with time zone DEFAULT now() NOT NULL,
    emptied_at timestamp with time zone
);

CREATE TABLE denizen.server_keys (
    key_id text NOT NULL,
    kind text NOT NULL,
    epoch smallint NOT NULL,
    wrapped bytea NOT NULL,
    public bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    retired_at timestamp with time zone,
    dropped_at timestamp with time zone,
    CONSTRAINT server_keys_kind_check CHECK ((kind = ANY (ARRAY['signing'::text, 'sealing'::text])))
);

CREATE TABLE denizen.sessions (
    session_id text NOT NULL COLLATE pg_catalog."C",
    user_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    salt bytea NOT NULL,
    generation integer DEFAULT 0 NOT NULL,
    command_id text,
    created_at timestamp with time zone NOT NULL,
    refreshed_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    private bytea NOT NULL
);

COMMENT ON COLUMN denizen.sessions."position" IS 'place of the LoginSucceeded that began it: version of the user << 32 | version of the logins';

CREATE TABLE denizen.snapshots (
    user_id text NOT NULL COLLATE pg_catalog."C",
    form smallint NOT NULL,
    version integer NOT NULL,
    "position" bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    private bytea NOT NULL
);

ALTER TABLE ONLY denizen.snapshots ALTER COLUMN private SET STORAGE EXTERNAL;

CREATE TABLE denizen.throttles (
    key bytea NOT NULL,
    tat timestamp with time zone NOT NULL
);

ALTER TABLE ONLY denizen.block_ends
    ADD CONSTRAINT block_ends_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY denizen.claims
    ADD CONSTRAINT claims_pkey PRIMARY KEY (key);

ALTER TABLE ONLY denizen.codes
    ADD CONSTRAINT codes_pkey PRIMARY KEY (user_id, purpose);

ALTER TABLE ONLY denizen.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (command_id);

ALTER TABLE ONLY denizen.data_keys
    ADD CONSTRAINT data_keys_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY denizen.events
    ADD CONSTRAINT events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY denizen.events
    ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);

ALTER TABLE ONLY denizen.import_chunks
    ADD CONSTRAINT import_chunks_pkey PRIMARY KEY (import_id, chunk);

ALTER TABLE ONLY denizen.import_ids
    ADD CONSTRAINT import_ids_pkey PRIMARY KEY (command_id);

ALTER TABLE ONLY denizen.key_checks
    ADD CONSTRAINT key_checks_pkey PRIMARY KEY (name);

ALTER TABLE ONLY denizen.log_head
    ADD CONSTRAINT log_head_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY denizen.mails
    ADD CONSTRAINT mails_pkey PRIMARY KEY (mail_id);

ALTER TABLE ONLY denizen.passwords
    ADD CONSTRAINT passwords_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY denizen.projection_forms
    ADD CONSTRAINT projection_forms_pkey PRIMARY KEY (name);

ALTER TABLE ONLY denizen.projections
    ADD CONSTRAINT projections_pkey PRIMARY KEY (name);

ALTER TABLE ONLY denizen.retired_epochs
    ADD CONSTRAINT retired_epochs_pkey PRIMARY KEY (epoch);

ALTER TABLE ONLY denizen.server_keys
    ADD CONSTRAINT server_keys_pkey PRIMARY KEY (key_id);

ALTER TABLE ONLY denizen.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY denizen.snapshots
    ADD CONSTRAINT snapshots_pkey PRIMARY KEY (user_id, form, version);

ALTER TABLE ONLY denizen.throttles
    ADD CONSTRAINT throttles_pkey PRIMARY KEY (key);

CREATE INDEX block_ends_by_time ON denizen.block_ends USING btree (ends_at, user_id);

CREATE UNIQUE INDEX codes_reset ON denizen.codes USING btree (digest) WHERE (purpose = 'reset'::text);

CREATE INDEX commands_recorded_at ON denizen.commands USING brin (recorded_at);

CREATE INDEX commands_user_id ON denizen.commands USING btree (user_id) WHERE (digest IS NOT NULL);

CREATE INDEX events_recorded_at ON denizen.events USING brin (recorded_at);

CREATE INDEX mails_due_at ON denizen.mails USING btree (due_at);

CREATE INDEX mails_user ON denizen.mails USING btree (user_id);

CREATE UNIQUE INDEX server_keys_in_use ON denizen.server_keys USING btree (kind) WHERE (retired_at IS NULL);

CREATE INDEX sessions_expires_at ON denizen.sessions USING btree (expires_at);

CREATE INDEX sessions_user_command ON denizen.sessions USING btree (user_id, command_id);

CREATE INDEX snapshots_recorded_at ON denizen.snapshots USING btree (user_id, form, recorded_at, version);

CREATE INDEX throttles_tat ON denizen.throttles USING btree (tat);

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON denizen.events FOR EACH STATEMENT EXECUTE FUNCTION denizen.refuse_change();

CREATE TRIGGER living_epoch_insert AFTER INSERT ON denizen.data_keys REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION denizen.refuse_retired_epoch();

CREATE TRIGGER living_epoch_insert AFTER INSERT ON denizen.server_keys REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION denizen.refuse_retired_epoch();

CREATE TRIGGER living_epoch_update AFTER UPDATE ON denizen.data_keys REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION denizen.refuse_retired_epoch();

CREATE TRIGGER living_epoch_update AFTER UPDATE ON denizen.server_keys REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION denizen.refuse_retired_epoch();

ALTER TABLE ONLY denizen.snapshots
    ADD CONSTRAINT snapshots_user_id_fkey FOREIGN KEY (user_id) REFERENCES denizen.data_keys(user_id) ON DELETE CASCADE;
