-- Take mails that are due, each for one mailer: they come due again when the lease has run out.
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
where m.mail_id = d.mail_id
returning m.mail_id, m.user_id, m.private, m.due_at, k.epoch, k.wrapped
