-- How many of the sample who have the words match.
select count(*) from users as u where u.user_id = any(array({sampled})) and {match}
