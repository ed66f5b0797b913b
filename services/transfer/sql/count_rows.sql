select coalesce(sum(created), 0), coalesce(sum(updated), 0), coalesce(sum(skipped), 0), coalesce(sum(failed), 0)
from import_chunks
where import_id = %s
