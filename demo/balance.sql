-- One store's stock of one product, from the snapshots and from the ledger itself.
SELECT day AS "end of",
       (SELECT quantity FROM stock_on(day)
         WHERE product_id = :product AND store_id = :store) AS "snapshots say",
       (SELECT sum(quantity) FROM stock_moves
         WHERE product_id = :product AND store_id = :store AND moved_at < day + 1) AS "ledger says"
FROM (VALUES (date '2017-03-02'), ('2017-03-03'), ('2017-12-31')) AS days (day);
