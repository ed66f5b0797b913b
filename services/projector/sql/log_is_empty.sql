select position = 0 from log_head
