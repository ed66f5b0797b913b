-- Another process may be further.
update address_keys set position = greatest(position, %s)
