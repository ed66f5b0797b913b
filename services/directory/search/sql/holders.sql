-- Users who have a word like {part}, within {window}.
select user_id from user_words where word = any(array(select word from words where word like {part})) and {window}
