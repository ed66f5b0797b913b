-- Nothing is signed with a retired key any more: its private half goes.
update server_keys set wrapped = ''::bytea where key_id = any(%(key_ids)s) and retired_at <= now()
