-- Every key there is, and whether it is in use, retired, or retired for so long that nothing made with it counts.
select
    key_id,
    kind,
    epoch,
    wrapped,
    public,
    case
        when retired_at is null then 'in_use'
        when retired_at > now() - make_interval(
            secs => case kind when 'signing' then %s::float8 else %s::float8 end
        ) then 'retired'
        else 'gone'
    end
from server_keys
