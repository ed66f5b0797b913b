-- Is somebody still signed in there?
select 1 from sessions where session_id = %s and user_id = %s and expires_at > now()
