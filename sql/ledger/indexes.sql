-- Built when the storage is filled: sorting once is cheaper than inserting one by one.
-- Within a month both tables lie in the order of their primary keys, so that the balances of
-- every key are one scan of each, already in the order of the groups.
ALTER TABLE {days} ADD PRIMARY KEY (month, {keys}, day);
CREATE INDEX ON {days} USING brin (day) WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE {openings} ADD PRIMARY KEY (month, {keys});
ANALYZE {days};
ANALYZE {openings};
ANALYZE {months};
