-- Each projection has a checkpoint once its tables are made.
select exists (select from projections)
