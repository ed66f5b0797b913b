-- The chunks of an import that are done, as ranges.
select min(chunk), max(chunk)
from (select chunk, chunk - row_number() over (order by chunk) as run from import_chunks where import_id = %s) c
group by run
order by 1
