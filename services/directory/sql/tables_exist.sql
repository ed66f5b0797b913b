-- Each projection has a checkpoint once its tables are made.
select to_regclass('projections') is not null
