delete from address_keys
