-- Not this time: again after 0.5 to 1 s, twice as long after each try, 60 s at most.
update mails
set
    due_at = now() + least(60, power(2, attempts)) * (0.5 + random() / 2) * interval '1 second',
    attempts = least(attempts + 1, 100)
where mail_id = %(mail)s and due_at = %(lease)s -- else it is another mailer's by now
returning mail_id
