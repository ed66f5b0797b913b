-- Words that no user has any more.
delete from words
where word = any(string_to_array(%s, ' ')) and not exists (select from user_words u where u.word = words.word)
