-- Expired mails, whose codes are worth nothing any more. Those under a lease are left to the mailer that has it.
with due as materialized (
    select mail_id
    from mails
    where due_at <= now() and expires_at <= now()
    limit %(limit)s
    for update skip locked
)
delete from mails m
using due d
where m.mail_id = d.mail_id
returning m.mail_id
