-- Wait for the appends under way, which may be writing keys of an epoch that is about to be retired. Later ones see that
-- it is: their triggers look after this lock. Readers go on.
lock table data_keys in share mode
