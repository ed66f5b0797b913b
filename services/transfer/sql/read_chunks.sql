-- The chunks of an import that are done, as ranges, and what became of their rows: in one snapshot, for who goes on with it
-- adds the one to the other. The last column: the chunks that have rows that were refused.
select min(chunk), max(chunk), sum(created), sum(updated), sum(skipped), sum(failed),
    array_agg(chunk order by chunk) filter (where failed > 0)
from (select *, chunk - row_number() over (order by chunk) as run from import_chunks where import_id = %s) c
group by run
order by 1
