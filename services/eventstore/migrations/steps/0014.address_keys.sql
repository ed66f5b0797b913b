-- The keys of addresses were coarser: `ß` and `ς` in a domain counted as `ss` and `σ`. The services that write make the claims
-- of such addresses anew when they start (services/eventstore/log/address_keys.py): they have the key, and SQL has not. A row says
-- how far they are; there is none where they are done, and in a new cell.
create table address_keys (position bigint not null);
insert into address_keys select 0 where exists (select from events);

do $$
begin
    execute format('grant select, update, delete on address_keys to %I', current_schema() || '_app');
end
$$;
