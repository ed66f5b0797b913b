-- The epochs under which nothing is wrapped any more, and whether nothing is left under them.
select epoch, emptied_at is not null from retired_epochs
