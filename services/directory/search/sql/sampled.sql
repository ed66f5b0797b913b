-- Users of the sample (one user in 32: projections/sql/user_words_index.sql) who have one of the first words like {part}.
select distinct user_id
from (select user_id from user_words
      where word = any(array(select word from words where word like {part} limit %(most_words)s))
        and right(user_id, 1) = substr(user_id, 27, 1)
      limit %(most_sampled)s) as holding
