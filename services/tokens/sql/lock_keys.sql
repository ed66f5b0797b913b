-- One rotation at a time: a second one would find no key in use to retire. Readers go on.
lock table server_keys in share row exclusive mode
