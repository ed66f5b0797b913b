-- How many words are like {part}, and of the sample how many users have one; and how many users there are.
(with first_words as materialized (
    select word from words where word like {part} limit %(most_words)s
), holding as materialized (
    select user_id from user_words
    where word = any(array(select word from first_words)) and right(user_id, 1) = substr(user_id, 27, 1)
    limit %(most_sampled)s
), sampled as materialized (
    select distinct user_id from holding
)
select {index} as part, (select count(*) from first_words) as words, (select count(*) from holding) as holding,
       (select count(*) from sampled) as sampled, ({edge}) as edge,
       (select coalesce(sum(count), 0)::bigint from user_counts) as users)
