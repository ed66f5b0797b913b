-- Is the session alive?
select 1 from sessions where session_id = %s and user_id = %s and expires_at > now()
