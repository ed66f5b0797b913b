-- Events of others that name the user: who asked, or the name of the command, which is by design; or anything else.
select count(*), count(*) filter (where other like any (%(patterns)s)), count(*) filter (where named like any (%(patterns)s))
from (
    select concat_ws(' ', event_id, stream, type, public, private) as other, metadata::text as named
    from events
    where stream <> %(user_id)s and not (stream >= %(user_id)s || '/' and stream < %(user_id)s || '0')
) as e
