-- Count an attempt before it is compared: however many come at once, no more are compared than are allowed.
update codes set attempts = attempts + 1
where user_id = %(user_id)s and purpose = 'verify' and attempts < %(most)s and expires_at > now()
returning digest, (select coalesce(max(version), 0) from events e where e.stream = %(user_id)s)
