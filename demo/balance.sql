-- One store's stock of one product, from the snapshots and from the ledger itself.
SELECT day AS "end of", snapshots, ledger,
       CASE WHEN snapshots = ledger THEN 'yes' ELSE 'no' END AS same
FROM (VALUES (date '2017-03-02'), ('2017-03-03'), ('2017-12-31')) AS days (day),
     LATERAL (SELECT quantity AS snapshots FROM stock_on(day)
              WHERE product_id = :product AND store_id = :store) AS derived,
     LATERAL (SELECT sum(quantity) AS ledger FROM stock_moves
              WHERE product_id = :product AND store_id = :store AND moved_at < day + 1) AS summed
ORDER BY day;
