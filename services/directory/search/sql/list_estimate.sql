-- About how many {match}, as the planner thinks.
explain (format json) select from users u where {match}
