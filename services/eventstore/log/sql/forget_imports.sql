-- A message of an import is known for 24 h, and a job for 30 days after its last chunk: whole jobs, for what is left of one
-- would be sent again. A bounded number a call, so that no statement runs long.
with messages as (
        delete from import_ids where command_id in (
            select command_id from import_ids where begun_at < now() - interval '24 hours' limit 5000)
        returning 1),
    chunks as (
        delete from import_chunks where import_id in (
            select import_id from import_chunks
            group by import_id having max(recorded_at) < now() - interval '30 days'
            limit 10)
        returning 1)
select (select count(*) from messages) + (select count(*) from chunks)
