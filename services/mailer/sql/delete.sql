-- Sent, or never to be sent.
delete from mails where mail_id = any (%(mails)s) returning mail_id
