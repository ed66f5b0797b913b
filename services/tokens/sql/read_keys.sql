-- Every key there is, whether it is in use, published and to be used later, retired, dropped at once, or either of these for so
-- long that nothing made with it counts; and its age in seconds. In use is the key that is to retire next: it signs until then.
-- {wrapped}: the private half, wrapped; or nothing for who may not read it.
select
    key_id,
    kind,
    epoch,
    wrapped,
    public,
    case
        when dropped_at > now() - make_interval(secs => %s) then 'dropped'
        when dropped_at is not null then 'gone'
        when coalesce(retired_at, 'infinity') = next_retired_at then 'in_use'
        when coalesce(retired_at, 'infinity') > now() then 'published'
        when retired_at > now() - make_interval(
            secs => case kind when 'signing' then %s::float8 else %s::float8 end
        ) then 'retired'
        else 'gone'
    end,
    extract(epoch from now() - created_at)::float8
from (
    select
        key_id,
        kind,
        epoch,
        {wrapped} as wrapped,
        public,
        created_at,
        retired_at,
        dropped_at,
        min(coalesce(retired_at, 'infinity')) filter (
            where dropped_at is null and coalesce(retired_at, 'infinity') > now()
        ) over (partition by kind) as next_retired_at
    from server_keys
) k
