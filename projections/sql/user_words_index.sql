-- What searches and changes of words use. The key comes by an index, because others read the table while it is made.
do $$
begin
    if not exists (select from pg_constraint where conrelid = 'user_words'::regclass and contype = 'p') then
        create unique index user_words_pkey on user_words (word, user_id);
        alter table user_words add primary key using index user_words_pkey;
    end if;
end
$$;
-- Of one user in 32: about how many have a word. Of these two characters of the id the first is random, and the last is
-- random too or, in an import, counts.
create index if not exists user_words_sampled on user_words (word, user_id)
where right(user_id, 1) = substr(user_id, 27, 1);
