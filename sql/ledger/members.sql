-- A table with everything that inherits from it, partitions included.
WITH RECURSIVE tree AS (
    SELECT $1 AS member
    UNION
    SELECT i.inhrelid
    FROM pg_catalog.pg_inherits i
    JOIN tree t ON t.member = i.inhparent
)
SELECT t.member FROM tree t ORDER BY t.member
