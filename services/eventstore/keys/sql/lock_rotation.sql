-- One rotation at a time; the lock is the session's (as in services/platform/leadership.py) and ends with it, however that ends.
select pg_try_advisory_lock(1684369006, hashtext(current_schema() || '/rotation'))
