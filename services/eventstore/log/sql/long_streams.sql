-- Of the next users: the last one, and those whose streams are long and were never folded.
with page as (select user_id from data_keys where user_id > %(after)s order by user_id limit 1000)
select (select max(user_id) from page),
       array(select user_id
             from page
             where exists (select from events where stream = page.user_id and version = %(version)s)
                 and not exists (select from snapshots s where s.user_id = page.user_id and s.form = %(form)s))
