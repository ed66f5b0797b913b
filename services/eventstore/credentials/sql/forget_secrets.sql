-- What has expired; a bounded number a call, so that no statement runs long.
with sessions_gone as (
         delete from sessions where session_id in (select session_id from sessions where expires_at < now() limit 2000)
         returning 1),
     codes_gone as (
         delete from codes where (user_id, purpose) in (
             select user_id, purpose from codes where expires_at < now() limit 2000)
         returning 1),
     throttles_gone as (
         delete from throttles where key in (select key from throttles where tat < now() limit 2000)
         returning 1)
select (select count(*) from sessions_gone) + (select count(*) from codes_gone) + (select count(*) from throttles_gone)
