delete from server_keys where key_id = any(%(key_ids)s) and retired_at is not null
