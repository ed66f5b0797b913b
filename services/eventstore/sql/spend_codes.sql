delete from codes c
using json_to_recordset(%s::json) as s (user_id text, purpose text)
where c.user_id = s.user_id and c.purpose = s.purpose
