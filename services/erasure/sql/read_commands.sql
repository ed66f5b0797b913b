-- Outcomes of commands that name the user.
select user_id, refusal, digest is not null from commands c where c::text like any (%s)
