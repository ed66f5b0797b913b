insert into words (word) select string_to_table(%s, ' ') on conflict do nothing
