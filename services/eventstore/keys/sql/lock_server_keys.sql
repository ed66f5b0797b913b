-- Against a rotation of the server's own keys. Readers go on.
lock table server_keys in share row exclusive mode
