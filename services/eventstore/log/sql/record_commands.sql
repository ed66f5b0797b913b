-- Keep the outcome of each command under its id. A row that is not returned was there before: the command is a repeat.
-- One that lost a claim belongs to the holder, with whom its digest is erased; without a holder it has no digest.
insert into commands (command_id, user_id, version, logins, refusal, operation, digest, recorded_at)
select command_id, coalesce(c.user_id, h.holder), version, logins, refusal, operation,
       case when lost is null or h.holder is not null then decode(digest, 'hex') end, recorded_at
from json_to_recordset(%s::json) as c (
    command_id text, user_id text, version integer, logins integer, refusal jsonb, operation text, digest text,
    lost text, recorded_at timestamptz
)
left join lateral (
    select user_id as holder from claims where lost is not null and key = decode(lost, 'hex') limit 1
) h on true
order by command_id -- one order in every process, so that two batches cannot wait for each other
on conflict (command_id) do nothing
returning command_id
