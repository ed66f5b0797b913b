-- How many mails wait, and how many seconds ago the oldest was queued: its id is a UUID of version 7.
select count(*), extract(epoch from clock_timestamp() - min(uuid_extract_timestamp(mail_id)))::float from mails
