-- Half of each page is kept for new versions of its users: such a version needs no entry in any index, and while another
-- program holds a snapshot, a look-up of a user reads an eighth of the pages. Rows that are there are not rewritten; a
-- fillfactor that is set already stays.
do $$ begin
	if exists (
		select from pg_class where oid = 'users'::regclass and relkind = 'r'
			and not exists (select from pg_options_to_table(reloptions) where option_name = 'fillfactor')
	) then
		alter table users set (fillfactor = 50);
	end if;
end $$;
