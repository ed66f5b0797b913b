insert into mails (mail_id, user_id, private, due_at, expires_at)
select mail_id, user_id, decode(private, 'hex'), now(), expires_at
from json_to_recordset(%s::json) as m (mail_id uuid, user_id text, private text, expires_at timestamptz)
