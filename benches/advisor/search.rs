//! An inventory searched by any mix of name, spec, request number, order number, usage type, zone,
//! shelf and floor, in pages and in several orders: before, and after applying exactly the advice.

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::Bench;
use crate::advice::{self, percentile};
use crate::report::{Target, duration, grouped, mebibytes};

/// Few names, zones and usage types are common and many are rare; numbers grow with time.
const ITEMS: &str = "
CREATE FUNCTION skewed(choices integer, power double precision) RETURNS integer
LANGUAGE sql VOLATILE AS 'SELECT (choices * pg_catalog.random() ^ power)::integer % choices';

CREATE TABLE items (
    id bigint PRIMARY KEY, name text NOT NULL, spec text NOT NULL, request_number text NOT NULL,
    order_number text, usage_type text NOT NULL, zone text NOT NULL, shelf text NOT NULL,
    floor integer NOT NULL, quantity integer NOT NULL, updated_at timestamptz NOT NULL);

SELECT setseed(0.42);

INSERT INTO items
SELECT number,
       (ARRAY['bolt', 'nut', 'washer', 'bearing', 'valve', 'gasket', 'relay', 'fuse', 'sensor',
              'cable', 'pump', 'filter', 'motor', 'spring', 'bracket', 'coupling', 'hose',
              'switch', 'lamp', 'seal'])[1 + skewed(20, 2)]
       || ' ' || (ARRAY['hexagonal', 'stainless', 'brass', 'galvanised', 'compact', 'heavy',
              'light', 'industrial', 'marine', 'precision', 'sealed', 'flexible'])
              [1 + skewed(12, 1.5)]
       || ' ' || chr(65 + skewed(26, 1)) || chr(65 + skewed(26, 1)) || '-' || 100 + skewed(5000, 1.3),
       'M' || 2 + skewed(30, 1.5) || 'x' || 5 + skewed(200, 1.2) || ' DIN' || 900 + skewed(99, 2)
           || ' ' || (ARRAY['A2', 'A4', '8.8', '10.9', '12.9', 'PTFE'])[1 + skewed(6, 2)],
       'RQ-' || 2019 + number * 6 / {items} || '-' || lpad((number / 5)::text, 7, '0'),
       CASE WHEN random() < 0.8 THEN 'PO-' || lpad((number / 12)::text, 7, '0') END,
       (ARRAY['consumable', 'spare part', 'tool', 'safety', 'asset', 'sample', 'loan',
              'quarantine'])[1 + skewed(8, 3)],
       chr(65 + skewed(12, 2)),
       chr(65 + skewed(12, 2)) || '-' || lpad(skewed(400, 1.3)::text, 3, '0'),
       1 + skewed(6, 1.5),
       skewed(1000, 3),
       timestamptz '2019-01-01' + number * interval '6 years' / {items} - random() * interval '20 days'
FROM generate_series(1, {items}) AS number;
";

pub fn run(bench: &mut Bench) {
    let mut client = bench.server.create_database("search");
    advice::run(&mut client, "CREATE EXTENSION hypopg");
    advice::run(&mut client, "CREATE EXTENSION pg_trgm");
    let items = ITEMS.replace("{items}", &format!("{}::bigint", bench.scale.items));
    advice::run(&mut client, &items);
    advice::run(&mut client, "VACUUM ANALYZE");
    // Loading is no part of the workload: it is not charged as writes.
    advice::run(&mut client, "SELECT pg_stat_reset()");

    // Advice comes from other searches than those that are timed.
    let known = searches(&mut client, 1, bench);
    let timed = searches(&mut client, 2, bench);

    let (pages, before) = advice::time(&mut client, &timed);
    let filled = pages.iter().filter(|page| !page.is_empty()).count();
    assert!(
        filled * 2 > pages.len(),
        "{filled} of {} pages have rows",
        pages.len()
    );
    let (advice, seconds) = advice::advise(&mut client, Some(&known), None);
    advice::apply(&mut client, &advice);
    let (pages_after, after) = advice::time(&mut client, &timed);
    for ((search, page), page_after) in timed.iter().zip(&pages).zip(&pages_after) {
        assert!(page == page_after, "the page changed:\n{search}");
    }

    slowest(&timed, &after);
    for (name, rank, target) in [
        ("p50", 0.5, None),
        ("p95", 0.95, Some(Target::AtMost(0.05))),
    ] {
        let (before, after) = (percentile(&before, rank), percentile(&after, rank));
        let work = format!("Inventory search, {name}");
        bench.report.ratio(
            format!("{work}: with the advice, against without"),
            duration(after),
            duration(before),
            after / before,
            None,
        );
        bench.report.figure(work, after, duration, target);
    }
    let report = &mut bench.report;
    report.figure("Inventory search: advice takes", seconds, duration, None);
    report.figure(
        "Inventory search: indexes advised",
        advice.len() as f64,
        grouped,
        None,
    );
    let bytes: i64 = advice.iter().filter_map(|index| index.size_bytes).sum();
    report.figure(
        "Inventory search: their size, as estimated",
        bytes as f64,
        mebibytes,
        None,
    );
}

fn slowest(searches: &[String], seconds: &[f64]) {
    let mut all: Vec<_> = searches.iter().zip(seconds).collect();
    all.sort_by(|a, b| b.1.total_cmp(a.1));
    for (search, seconds) in all.iter().take(5) {
        eprintln!("   {}: {search}", duration(**seconds));
    }
}

/// Searches for what items have, so that common values are looked for more often.
fn searches(client: &mut postgres::Client, seed: u64, bench: &Bench) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..bench.scale.searches)
        .map(|_| search(client, &mut random, bench.scale.items))
        .collect()
}

fn search(client: &mut postgres::Client, random: &mut StdRng, items: i64) -> String {
    let id = random.random_range(1..=items);
    let item = client
        .query_one(
            "SELECT name, spec, request_number, coalesce(order_number, 'PO-0000001'), usage_type,
                    zone, shelf, floor::text
             FROM items WHERE id = $1",
            &[&id],
        )
        .expect("an item");
    let value = |column: usize| item.get::<_, String>(column).replace('\'', "''");
    let words = |text: String| text.split(' ').map(str::to_string).collect::<Vec<_>>();
    // People look for a number, for what a thing is called, or for what is in a place.
    let mut filters = Vec::new();
    match random.random_range(0..10) {
        0 => filters.push(format!("request_number = '{}'", value(2))),
        1 => filters.push(format!("order_number = '{}'", value(3))),
        2 => filters.push(format!("request_number LIKE '{}%'", &value(2)[..13])),
        3..=5 => filters.push(format!("name ILIKE '%{}%'", words(value(0))[2])),
        6 => filters.push(format!("name ILIKE '%{}%'", words(value(0))[..2].join(" "))),
        7 => filters.push(format!("spec ILIKE '%{}%'", words(value(1))[..2].join(" "))),
        8 => filters.push(format!("shelf = '{}'", value(6))),
        _ => {}
    }
    let mut places = [
        format!("usage_type = '{}'", value(4)),
        format!("zone = '{}'", value(5)),
        format!("floor = {}", value(7)),
    ];
    places.shuffle(random);
    let least = usize::from(filters.is_empty());
    let more = random.random_range(least..=3 - least);
    filters.extend(places.into_iter().take(more));
    let order = [
        "id",
        "name, id",
        "updated_at DESC, id",
        "request_number, id",
        "quantity, id",
    ][random.random_range(0..5)];
    let page = [0, 0, 0, 0, 1, 1, 2, 4][random.random_range(0..8)];
    format!(
        "SELECT id, name, spec, request_number, order_number, usage_type, zone, shelf, floor, \
         quantity FROM items WHERE {} ORDER BY {order} LIMIT 20 OFFSET {}",
        filters.join(" AND "),
        20 * page
    )
}
