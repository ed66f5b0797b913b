-- A statement of a projection's, run as the owner: 1 makes its tables in the scratch schema, the others index them.
select make_projection({name}, {version}, {step})
