delete from user_words
using string_to_table(%s, ' ') as gone
where user_words.word = split_part(gone, E'\t', 1) and user_words.user_id = split_part(gone, E'\t', 2)
