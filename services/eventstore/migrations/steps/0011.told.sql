-- What a command asked for, as HMAC-SHA256 under the claim key: another request with its id is no repeat. Null: from before,
-- and rows of imports, whose chunks have digests of their own.
alter table commands add column digest bytea;
-- Sessions know their place in their user's own history, not in the log (services/domain/sessions.py): access tokens name it.
comment on column sessions.position is 'place of the LoginSucceeded that began it: version of the user << 32 | version of the logins';
update sessions s
set position = coalesce(
        (select version from events e where e.stream = s.user_id and e.position < s.position order by version desc limit 1), 0
    )::bigint << 32
    | coalesce((select version from events e where e.position = s.position and e.stream = s.user_id || '/logins'), 0);
