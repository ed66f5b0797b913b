update log_head set position = %s
