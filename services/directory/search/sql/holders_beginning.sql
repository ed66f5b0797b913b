-- Users who have a word that begins with {part}, of which there are many, within {window}.
select user_id from user_words where word like {part} and {window}
