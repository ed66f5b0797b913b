insert into retired_epochs (epoch) select unnest(%s::smallint[])
