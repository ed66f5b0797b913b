select name, version from projections
