-- What users prove themselves by, who is in, and the mails to them. Secrets are not events: these rows are replaced or
-- removed in the transaction of the event that says so, and leave no trace in the log.

create table passwords (
    user_id text primary key collate "C",
    hash    text not null
);

-- Codes and tokens that were mailed: digests under a server key, the newest of each purpose.
create table codes (
    user_id    text        not null collate "C",
    purpose    text        not null check (purpose in ('verify', 'reset')),
    digest     bytea       not null,
    attempts   smallint    not null default 0,
    expires_at timestamptz not null,
    primary key (user_id, purpose)
);
-- A reset token comes without its user; a verification code does not.
create unique index codes_reset on codes (digest) where purpose = 'reset';

-- Who is in. Its refresh token is an HMAC over id, generation and salt: nothing here can be presented.
create table sessions (
    session_id   text        primary key collate "C",
    user_id      text        not null collate "C",
    position     bigint      not null, -- of the LoginSucceeded that began it
    salt         bytea       not null,
    generation   integer     not null default 0,
    command_id   text, -- of the last Authenticate or RefreshSession: its repeat gets the same tokens
    created_at   timestamptz not null,
    refreshed_at timestamptz not null,
    expires_at   timestamptz not null,
    private      bytea       not null -- ip and user agent, under the user's data key
);
create index sessions_user on sessions (user_id);
create index sessions_expires_at on sessions (expires_at);

-- Rate limits: the theoretical arrival time of GCRA; the key is an HMAC under a server key.
create table throttles (
    key bytea       primary key,
    tat timestamptz not null
);
create index throttles_tat on throttles (tat);

-- Mails on their way; what is in them is sealed under the data key of the user that they go to.
create table mails (
    mail_id    uuid        primary key,
    user_id    text        not null collate "C",
    private    bytea       not null,
    due_at     timestamptz not null,
    expires_at timestamptz not null, -- what it says is worth nothing from then on
    attempts   smallint    not null default 0
);
create index mails_due_at on mails (due_at);
create index mails_user on mails (user_id);

-- Keys of the service: access tokens are signed with one, secrets in requests are sealed for the other.
create table server_keys (
    key_id     text        primary key,
    kind       text        not null check (kind in ('signing', 'sealing')),
    epoch      smallint    not null, -- of the key-encryption key that wraps the private key
    wrapped    bytea       not null,
    public     bytea       not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz -- null: the one in use
);
-- One in use of each kind: two services that start at once agree on it.
create unique index server_keys_in_use on server_keys (kind) where retired_at is null;

-- The relay looks for what was revoked in the last minutes; rows are in time order, and so this index is tiny.
create index events_recorded_at on events using brin (recorded_at);

do $$
declare
    app text := current_schema() || '_app';
begin
    execute format('grant select, insert, update, delete on passwords, codes, sessions, throttles, mails to %I', app);
    execute format('grant select, insert, update, delete on server_keys to %I', app);
end
$$;
