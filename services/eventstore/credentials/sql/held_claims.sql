-- Whose these claims are.
select key, user_id from claims where key = any(%s)
