-- Whether the cell has a log: the first thing that a service needs of its database.
select to_regclass('events') is not null
