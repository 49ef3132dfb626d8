//! Cached queries with a real Redis: who is served, who is not, and what may never be served.
//!
//! That an answer came out of the cache shows where a table was changed without a word to the
//! cache: then the cached answer is the old one.

mod common;

#[path = "cached_query/definitions.rs"]
mod definitions;
#[path = "cached_query/entries.rs"]
mod entries;
#[path = "cached_query/filling.rs"]
mod filling;
#[path = "cached_query/ledgers.rs"]
mod ledgers;
#[path = "cached_query/rights.rs"]
mod rights;
#[path = "cached_query/validity.rs"]
mod validity;

use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use common::{Ask, Cluster, Redis};
use postgres::Client;
use postgres::error::SqlState;

fn redis() -> &'static Redis {
    static REDIS: OnceLock<Redis> = OnceLock::new();
    REDIS.get_or_init(Redis::new)
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::with_test_settings()
            .set(
                "inventory_perf.redis_url",
                &format!("'{}'", redis().socket_url()),
            )
            .set("track_functions", "all")
            .set("client_min_messages", "warning")
            .start();
        cluster.connect("postgres").run(
            "CREATE ROLE seller LOGIN;
             CREATE ROLE buyer LOGIN;
             CREATE ROLE stranger LOGIN;
             CREATE ROLE crew",
        );
        cluster
    })
}

/// A database with a table `stock` of two rows, which nothing watches.
struct Shop {
    database: String,
}

impl Shop {
    fn open() -> Self {
        let shop = Self {
            database: cluster().database(),
        };
        let mut owner = shop.client();
        owner.run(
            "CREATE TABLE stock (id int PRIMARY KEY, tenant int, level int);
             INSERT INTO stock VALUES (1, 1, 10), (2, 2, 20);
             GRANT SELECT ON stock TO seller, buyer",
        );
        shop.deliver();
        shop
    }

    /// The same, and every change of `stock` invalidates.
    fn watched() -> Self {
        let shop = Self::open();
        shop.client()
            .run("SELECT inventory_perf.invalidate_on_change('stock')");
        shop
    }

    fn client(&self) -> Client {
        cluster().connect(&self.database)
    }

    fn as_role(&self, role: &str) -> Client {
        cluster().connect_as(role, &self.database)
    }

    fn deliver(&self) {
        self.client()
            .run("SELECT inventory_perf.deliver_invalidations()");
    }

    /// Names in Redis of this database's cache.
    fn names(&self, kind: &str) -> Vec<String> {
        let pattern = format!("inventory_perf:{{{}}}:{kind}:*", self.database);
        redis::cmd("KEYS")
            .arg(pattern)
            .query(&mut redis().connect())
            .expect("ask Redis for names")
    }

    fn entry(&self) -> String {
        let mut names = self.names("query");
        assert_eq!(names.len(), 1, "{names:?}");
        names.remove(0)
    }
}

const TOTAL: &str = "SELECT sum(level) FROM stock";

/// The one value of the one row of a cached query that vouches for its tags.
fn tagged(client: &mut Client, query: &str) -> String {
    ask_cached(client, &format!("$q${query}$q$, tags => '{{shop}}'"))
}

/// The same for a query that is invalidated through the tables it reads.
fn cached(client: &mut Client, query: &str) -> String {
    ask_cached(client, &format!("$q${query}$q$"))
}

fn ask_cached(client: &mut Client, arguments: &str) -> String {
    client.ask(&format!(
        "SELECT coalesce(string_agg(value, ',' ORDER BY n), 'none') \
         FROM inventory_perf.cached_query({arguments}) WITH ORDINALITY AS q(row, n), \
              LATERAL jsonb_each_text(q.row)"
    ))
}
