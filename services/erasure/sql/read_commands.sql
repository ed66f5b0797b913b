-- Outcomes of commands that name the user.
select user_id, refusal from commands c where c::text like any (%s)
