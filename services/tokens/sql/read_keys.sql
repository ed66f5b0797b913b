-- Every key there is, and whether it is in use, retired, dropped at once, or either for so long that nothing made with it
-- counts.
select
    key_id,
    kind,
    epoch,
    wrapped,
    public,
    case
        when retired_at is null then 'in_use'
        when dropped_at > now() - make_interval(secs => %s) then 'dropped'
        when dropped_at is not null then 'gone'
        when retired_at > now() - make_interval(
            secs => case kind when 'signing' then %s::float8 else %s::float8 end
        ) then 'retired'
        else 'gone'
    end
from server_keys
