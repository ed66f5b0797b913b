-- A user of the sample who has the word, with so many such users before them {after}.
select user_id from ({sample}) as sampled where {after} order by user_id {order} offset %(rank)s limit 1
