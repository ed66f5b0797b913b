-- Of two services that start at once, one makes the key and the other one takes it.
insert into server_keys (key_id, kind, epoch, wrapped, public)
values (%(key_id)s, %(kind)s, %(epoch)s, %(wrapped)s, %(public)s)
on conflict (kind) where retired_at is null do nothing
