select swap_projection(%s, %s)
