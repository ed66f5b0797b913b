-- The server's own keys of other epochs than this one; a retired signing key has no private half any more.
select kind, key_id, epoch, wrapped from server_keys where epoch <> %s
