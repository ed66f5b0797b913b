copy user_words (word, user_id) from stdin
