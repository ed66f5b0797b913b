-- Another process may have kept the same.
insert into snapshots (user_id, form, version, position, recorded_at, private)
select * from unnest(
    %s::text[], %s::smallint[], %s::integer[], %s::bigint[], %s::timestamptz[], %s::bytea[]
)
on conflict (user_id, form, version) do nothing
