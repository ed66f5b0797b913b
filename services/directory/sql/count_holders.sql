-- How many have a word like {part}, of the first %(most)s who do.
select count(*)
from (select distinct user_id
      from (select user_id from user_words
            where word = any(array(select word from words where word like {part} limit %(most)s))
            limit %(most)s) as some_of_them) as users
