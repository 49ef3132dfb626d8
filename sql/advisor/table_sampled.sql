-- Whether $1 shows the current role all of its rows, from blocks of this server. Statistics of a table
-- with row security are withheld for the same reason.
SELECT NOT pg_catalog.row_security_active($1::oid)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree($1::oid::regclass) t
                    JOIN pg_catalog.pg_class c ON c.oid = t.relid
                    WHERE c.relkind = 'f')
