-- How many users of the sample that have the words match.
select count(*) from users as u where u.user_id = any(array({sampled})) and {match}
