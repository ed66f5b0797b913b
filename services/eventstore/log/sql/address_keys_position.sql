-- How far the claims of addresses were made again; nothing where they all were.
select position from address_keys
