-- The tables $1 and all that hangs below them, each that is a partition or a child with what it hangs
-- below.
WITH RECURSIVE below AS (
    SELECT u.oid AS member FROM pg_catalog.unnest($1::oid[]) u (oid)
    UNION
    SELECT i.inhrelid
    FROM below
    JOIN pg_catalog.pg_inherits i ON i.inhparent = below.member
)
SELECT i.inhrelid, i.inhparent
FROM below
JOIN pg_catalog.pg_inherits i ON i.inhrelid = below.member
