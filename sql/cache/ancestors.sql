-- A table with everything that it is a partition or a child of, and which of those are no part of
-- another one.
WITH RECURSIVE up AS (
    SELECT $1::oid AS member
    UNION
    SELECT i.inhparent
    FROM pg_catalog.pg_inherits i
    JOIN up ON up.member = i.inhrelid
)
SELECT up.member,
       NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = up.member) AS is_root
FROM up
ORDER BY up.member
