-- As sampled.sql, where words begin with {part}.
select distinct user_id
from (select user_id from user_words
      where word like {part} and right(user_id, 1) = substr(user_id, 27, 1)
      limit %(most_sampled)s) as holding
