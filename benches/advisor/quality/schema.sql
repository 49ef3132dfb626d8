-- A wholesaler in the shape of the TPC-H benchmark; {scale} is a share of its factor 1.

CREATE FUNCTION pick(choices text[]) RETURNS text LANGUAGE sql VOLATILE AS
'SELECT choices[1 + floor(pg_catalog.random() * pg_catalog.cardinality(choices))::integer]';
CREATE FUNCTION upto(most bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
'SELECT 1 + floor(pg_catalog.random() * most)::bigint';
CREATE FUNCTION words() RETURNS text LANGUAGE sql VOLATILE AS
$$SELECT pick('{quick,final,ironic,regular,special,pending,bold,silent}') || ' '
      || pick('{deposits,requests,packages,accounts,theodolites,instructions}') || ' '
      || pick('{sleep,wake,nag,haggle,cajole,detect,Customer,complain}') || ' '
      || pick('{Complaints,requests,pinto beans,foxes,ideas,platelets,asymptotes}')$$;

CREATE TABLE region (r_regionkey integer PRIMARY KEY, r_name text, r_comment text);
CREATE TABLE nation (n_nationkey integer PRIMARY KEY, n_name text, n_regionkey integer, n_comment text);
CREATE TABLE supplier (
    s_suppkey integer PRIMARY KEY, s_name text, s_address text, s_nationkey integer, s_phone text,
    s_acctbal numeric(12,2), s_comment text);
CREATE TABLE part (
    p_partkey integer PRIMARY KEY, p_name text, p_mfgr text, p_brand text, p_type text,
    p_size integer, p_container text, p_retailprice numeric(12,2), p_comment text);
CREATE TABLE partsupp (
    ps_partkey integer, ps_suppkey integer, ps_availqty integer, ps_supplycost numeric(12,2),
    ps_comment text, PRIMARY KEY (ps_partkey, ps_suppkey));
CREATE TABLE customer (
    c_custkey integer PRIMARY KEY, c_name text, c_address text, c_nationkey integer, c_phone text,
    c_acctbal numeric(12,2), c_mktsegment text, c_comment text);
CREATE TABLE orders (
    o_orderkey integer PRIMARY KEY, o_custkey integer, o_orderstatus text,
    o_totalprice numeric(12,2), o_orderdate date, o_orderpriority text, o_clerk text,
    o_shippriority integer, o_comment text);
CREATE TABLE lineitem (
    l_orderkey integer, l_partkey integer, l_suppkey integer, l_linenumber integer,
    l_quantity numeric(12,2), l_extendedprice numeric(12,2), l_discount numeric(12,2),
    l_tax numeric(12,2), l_returnflag text, l_linestatus text, l_shipdate date,
    l_commitdate date, l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text,
    PRIMARY KEY (l_orderkey, l_linenumber));

SELECT setseed(0.42);

INSERT INTO region SELECT number - 1, name, words()
FROM unnest('{AFRICA,AMERICA,ASIA,EUROPE,MIDDLE EAST}'::text[]) WITH ORDINALITY AS r (name, number);
INSERT INTO nation SELECT number - 1, name, (number - 1) / 5, words()
FROM unnest('{ALGERIA,ETHIOPIA,KENYA,MOROCCO,MOZAMBIQUE,ARGENTINA,BRAZIL,CANADA,PERU,UNITED STATES,
              CHINA,INDIA,INDONESIA,JAPAN,VIETNAM,FRANCE,GERMANY,ROMANIA,RUSSIA,UNITED KINGDOM,
              EGYPT,IRAN,IRAQ,JORDAN,SAUDI ARABIA}'::text[]) WITH ORDINALITY AS n (name, number);
INSERT INTO supplier
SELECT key, 'Supplier#' || lpad(key::text, 9, '0'), md5(key::text), upto(25) - 1,
       (9 + upto(25))::text || '-' || upto(999) || '-' || upto(9999), random() * 11000 - 1000, words()
FROM generate_series(1, (10000 * {scale})::integer) AS key;
INSERT INTO part
SELECT key,
       pick('{almond,azure,blush,chiffon,cream,forest,frosted,ghost,green,khaki,lace,linen,navy}')
       || ' ' || pick('{olive,peach,peru,plum,puff,rose,royal,sandy,sky,snow,tan,thistle,wheat}'),
       'Manufacturer#' || upto(5), 'Brand#' || upto(5) || upto(5),
       pick('{STANDARD,SMALL,MEDIUM,LARGE,ECONOMY,PROMO}') || ' '
       || pick('{ANODIZED,BURNISHED,PLATED,POLISHED,BRUSHED}') || ' '
       || pick('{TIN,NICKEL,BRASS,STEEL,COPPER}'),
       upto(50),
       pick('{SM,LG,MED,JUMBO,WRAP}') || ' ' || pick('{CASE,BOX,BAG,JAR,PKG,PACK,CAN,DRUM}'),
       900 + key % 1000, words()
FROM generate_series(1, (200000 * {scale})::integer) AS key;
INSERT INTO partsupp
SELECT p_partkey, 1 + (p_partkey + number * (SELECT count(*) FROM supplier) / 4)
                      % (SELECT count(*) FROM supplier),
       upto(9999), random() * 1000, words() || words()
FROM part, generate_series(0, 3) AS number;
INSERT INTO customer
SELECT key, 'Customer#' || lpad(key::text, 9, '0'), md5(key::text), upto(25) - 1,
       (9 + upto(25))::text || '-' || upto(999) || '-' || upto(9999), random() * 11000 - 1000,
       pick('{AUTOMOBILE,BUILDING,FURNITURE,MACHINERY,HOUSEHOLD}'), words() || words()
FROM generate_series(1, (150000 * {scale})::integer) AS key;
INSERT INTO orders
SELECT key, 3 * upto((50000 * {scale})::bigint) - upto(2), 'O', random() * 400000,
       date '1992-01-01' + (upto(2406) - 1)::integer,
       pick('{1-URGENT,2-HIGH,3-MEDIUM,4-NOT SPECIFIED,5-LOW}'),
       'Clerk#' || upto(1000), 0, words()
FROM generate_series(1, (1500000 * {scale})::integer) AS key;
INSERT INTO lineitem
SELECT o_orderkey, partkey,
       1 + (partkey + (upto(4) - 1) * (SELECT count(*) FROM supplier) / 4)
           % (SELECT count(*) FROM supplier),
       line, quantity, quantity * (900 + partkey % 1000), (upto(11) - 1) / 100.0, (upto(9) - 1) / 100.0,
       CASE WHEN shipped + travelled > date '1995-06-17' THEN 'N' ELSE pick('{R,A}') END,
       CASE WHEN shipped > date '1995-06-17' THEN 'O' ELSE 'F' END,
       shipped, o_orderdate + (29 + upto(61))::integer, shipped + travelled,
       pick('{DELIVER IN PERSON,COLLECT COD,NONE,TAKE BACK RETURN}'),
       pick('{REG AIR,AIR,RAIL,SHIP,TRUCK,MAIL,FOB}'), words()
FROM (SELECT o_orderkey, o_orderdate, line, upto((200000 * {scale})::bigint) AS partkey,
             upto(50) AS quantity, o_orderdate + upto(121)::integer AS shipped,
             upto(30)::integer AS travelled
      FROM orders, generate_series(1, 1 + abs(hashint4(o_orderkey)::bigint) % 7) AS line
      OFFSET 0) AS line;
UPDATE orders SET o_orderstatus = 'F' WHERE o_orderdate < date '1995-02-15';
