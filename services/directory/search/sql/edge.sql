-- A user of the sample who has the word: so many of them stand before him {after}.
select user_id from ({sample}) as sampled where {after} order by user_id {order} offset %(rank)s limit 1
