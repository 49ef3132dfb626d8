-- November by department: what came in, what went out, what was left.
SELECT department, sum(in_quantity) AS received, sum(out_quantity) AS sold,
       sum(closing_quantity) AS left_over
FROM stock_period('2017-11-01', '2017-11-30') JOIN products USING (product_id)
GROUP BY department
ORDER BY department
