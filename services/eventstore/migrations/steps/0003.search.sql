-- Searches for any part of a name or address use indexes of trigrams. In `public`, for the cells of a database share it.
create extension if not exists pg_trgm with schema public;
