-- A table with everything that inherits from it, partitions included, but for those whose DETACH …
-- CONCURRENTLY has begun: queries of the ledger leave them out.
WITH RECURSIVE tree AS (
    SELECT $1 AS member
    UNION
    SELECT i.inhrelid
    FROM pg_catalog.pg_inherits i
    JOIN tree t ON t.member = i.inhparent
    WHERE NOT i.inhdetachpending
)
SELECT t.member FROM tree t ORDER BY t.member
