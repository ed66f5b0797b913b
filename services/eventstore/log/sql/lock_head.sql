-- From here to the commit this append is alone: positions are handed out in the order in which they become visible.
select position from log_head for update
