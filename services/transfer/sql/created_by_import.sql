-- Users that an import created, in the order of the log, in a part of it. Their commands are import/<job>/<chunk>/<row>.
-- There is no index for this: every append would pay for it, and an undo is rare.
select position, stream
from events
where position > %(after)s and position <= %(until)s
    and type = 'UserCreated' and starts_with(metadata ->> 'commandId', %(prefix)s)
order by position
limit %(limit)s
