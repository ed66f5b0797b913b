-- Take mails that are due, each for one mailer: they come due again when the lease has run out. As an array, too: planned
-- while there were none, it would read all for each.
with due as materialized (
    select mail_id, user_id
    from mails
    where due_at <= now()
    order by due_at
    limit %(limit)s
    for update skip locked
)
update mails m
set due_at = now() + %(lease)s * interval '1 second'
from due d
left join data_keys k using (user_id)
where m.mail_id = any(array(select mail_id from due)) and m.mail_id = d.mail_id
returning m.mail_id, m.user_id, m.private, m.due_at, k.epoch, k.wrapped
