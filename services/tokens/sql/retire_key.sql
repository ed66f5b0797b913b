-- A signing key goes on until its successor is known everywhere; a sealing key is replaced at once, and opens for a while.
update server_keys
set retired_at = now() + make_interval(secs => case kind when 'signing' then %(lead)s::float8 else 0 end)
where kind = %(kind)s and retired_at is null
returning key_id
