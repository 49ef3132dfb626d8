-- Built when the storage is filled: sorting once is cheaper than inserting one by one.
ALTER TABLE {days} ADD PRIMARY KEY ({keys}, day);
CREATE INDEX ON {days} (day);
ALTER TABLE {openings} ADD PRIMARY KEY (month, {keys});
ANALYZE {days};
ANALYZE {openings};
ANALYZE {months};
