-- The triggers of the migrations that do not fire: disabled, in a replica alone, or dropped.
select wanted.of || '.' || wanted.name
from (
    values
        ('events', 'append_only'),
        ('data_keys', 'living_epoch_insert'),
        ('data_keys', 'living_epoch_update'),
        ('server_keys', 'living_epoch_insert'),
        ('server_keys', 'living_epoch_update')
) wanted (of, name)
where not exists (
    select from pg_trigger t
    where t.tgrelid = to_regclass(wanted.of) and t.tgname = wanted.name and t.tgenabled in ('O', 'A')
)
order by 1
