insert into server_keys (key_id, kind, epoch, wrapped, public)
values (%(key_id)s, %(kind)s, %(epoch)s, %(wrapped)s, %(public)s)
