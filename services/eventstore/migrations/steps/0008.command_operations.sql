-- What a command asked for: another one with its id is no repeat. Null: from before, and rows of imports.
alter table commands add column operation text;
