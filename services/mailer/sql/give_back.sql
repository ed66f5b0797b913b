-- Leased and not tried. Those whose lease has run out may be another mailer's by now.
update mails set due_at = now() where mail_id = any (%(mails)s) and due_at = %(lease)s returning mail_id
