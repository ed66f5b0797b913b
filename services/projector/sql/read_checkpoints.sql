select name, version, position from projections
