//! From the text of a statement to candidates, inside PostgreSQL.

use pgrx::prelude::*;

#[pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::advisor::candidates::{Options, candidates};
    use crate::advisor::progress::Progress;
    use crate::advisor::workload::{Workload, gather};

    const TABLES: &str = "
        CREATE TABLE items (
            id bigint PRIMARY KEY, tenant int NOT NULL, sku varchar(40) NOT NULL,
            name text NOT NULL, status text NOT NULL, active boolean NOT NULL,
            quantity numeric NOT NULL, level numeric NOT NULL, deleted_at timestamptz,
            created_at timestamptz NOT NULL, attributes jsonb, tags text[], \"Odd \"\"name\" int);
        INSERT INTO items
        SELECT n, n % 50, 'SKU-' || n, 'part ' || md5(n::text),
               (ARRAY['open', 'open', 'open', 'done'])[1 + n % 4], n % 20 = 0, n % 100, 5,
               CASE WHEN n % 3 > 0 THEN now() END,
               '2024-01-01'::timestamptz + n * interval '1 minute',
               jsonb_build_object('color', n % 70), ARRAY['t' || n % 1000], n
        FROM generate_series(1, 20000) n;
        CREATE TABLE moves (
            id bigint PRIMARY KEY, item bigint NOT NULL REFERENCES items, day date NOT NULL);
        INSERT INTO moves SELECT n, n, '2024-01-01'::date + n % 400
        FROM generate_series(1, 20000) n;
        CREATE TABLE parted (id bigint, tenant int, day date) PARTITION BY RANGE (day);
        CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
        INSERT INTO parted SELECT n, n % 100, '2024-01-01'::date + n % 30
        FROM generate_series(1, 5000) n;
        CREATE VIEW live AS SELECT id, sku FROM items WHERE deleted_at IS NULL;
        ANALYZE items, moves, parted;";

    fn gathered(query: &str) -> Workload {
        gather(
            Some(vec![Some(query.to_owned())]),
            None,
            &mut Progress::new(None),
        )
        .expect(query)
    }

    /// What follows USING in the DDL of the candidates, by table.
    fn found(query: &str) -> Vec<String> {
        let workload = gathered(query);
        assert!(
            !workload.statements.is_empty(),
            "{query}: {:?}",
            workload.coverage
        );
        let options = Options {
            max_columns: 3,
            partial: true,
            ..Options::default()
        };
        workload
            .statements
            .iter()
            .flat_map(|statement| candidates(&statement.shape, &workload.tables, &options))
            .map(|candidate| {
                let ddl = candidate.definition.nameless_ddl();
                let (_, body) = ddl.split_once(" USING ").expect("a method");
                format!("{} {body}", candidate.definition.relation.name).replace('"', "")
            })
            .collect()
    }

    #[pg_test]
    fn candidates_come_from_what_the_planner_sees() {
        Spi::run(TABLES).expect("tables");
        let cases = [
            (
                "SELECT * FROM items WHERE tenant = $1 AND created_at > $2",
                "items btree (tenant, created_at)",
            ),
            (
                "SELECT * FROM live WHERE sku = $1",
                "items btree (sku) WHERE (deleted_at IS NULL)",
            ),
            (
                "SELECT max(created_at) FROM items WHERE tenant = 3",
                "items btree (tenant, created_at)",
            ),
            (
                "SELECT * FROM items WHERE lower(sku) = $1",
                "items btree ((lower((sku)::text)))",
            ),
            (
                "SELECT * FROM items WHERE sku LIKE 'SKU-9%'",
                "items btree (sku varchar_pattern_ops)",
            ),
            (
                "SELECT * FROM items WHERE name LIKE $1 || '%'",
                "items btree (name text_pattern_ops)",
            ),
            (
                "SELECT * FROM items WHERE attributes->>'color' = $1",
                "items btree (((attributes ->> 'color'::text)))",
            ),
            (
                "SELECT * FROM items WHERE attributes @> '{\"color\": 1}'",
                "items gin (attributes jsonb_path_ops)",
            ),
            (
                "SELECT * FROM items WHERE attributes ? $1",
                "items gin (attributes)",
            ),
            (
                "SELECT * FROM items WHERE tags @> ARRAY[$1]",
                "items gin (tags)",
            ),
            (
                "SELECT * FROM items WHERE to_tsvector('english', name) @@ to_tsquery('english', $1)",
                "items gin ((to_tsvector('english'::regconfig, name)))",
            ),
            (
                "SELECT * FROM items WHERE name ILIKE '%bolt%'",
                "items gin (name gin_trgm_ops)",
            ),
            (
                "SELECT * FROM items WHERE quantity <= level AND active",
                "items btree (quantity) WHERE ((quantity <= level) AND active)",
            ),
            (
                "SELECT * FROM items WHERE status = 'done' ORDER BY created_at",
                "items btree (created_at) WHERE (status = 'done'::text)",
            ),
            (
                "SELECT * FROM items WHERE name = $1 OR sku = $2",
                "items btree (sku)",
            ),
            (
                "SELECT * FROM items WHERE sku IN ($1, $2)",
                "items btree (sku)",
            ),
            (
                "SELECT * FROM items ORDER BY tenant, created_at DESC LIMIT 9",
                "items btree (tenant, created_at DESC)",
            ),
            (
                "SELECT * FROM items ORDER BY tenant DESC, created_at DESC LIMIT 9",
                "items btree (tenant, created_at)",
            ),
            (
                "SELECT * FROM items ORDER BY name COLLATE \"C\" LIMIT 9",
                "items btree (name COLLATE C)",
            ),
            (
                "SELECT * FROM items WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT 9",
                "items btree (created_at, id)",
            ),
            (
                "SELECT * FROM items WHERE \"Odd \"\"name\" = 4",
                "items btree (Odd name)",
            ),
            (
                "SELECT i.name FROM items i JOIN moves m ON m.item = i.id WHERE i.sku = $1",
                "moves btree (item)",
            ),
            (
                "SELECT * FROM items i WHERE EXISTS (SELECT FROM moves m WHERE m.item = i.id)",
                "moves btree (item)",
            ),
            (
                "WITH a AS (SELECT * FROM moves WHERE day = $1) SELECT * FROM a",
                "moves btree (day)",
            ),
            (
                "SELECT 1 FROM items WHERE sku = $1 UNION ALL SELECT 2 FROM moves WHERE day = $2",
                "moves btree (day)",
            ),
            (
                "SELECT day, count(*) FROM moves GROUP BY day",
                "moves btree (day)",
            ),
            (
                "UPDATE items SET quantity = 0 WHERE sku = $1",
                "items btree (sku)",
            ),
            ("DELETE FROM items WHERE sku = $1", "moves btree (item)"),
            (
                "SELECT * FROM moves WHERE day > now() - interval $1",
                "moves btree (day)",
            ),
            (
                "SELECT * FROM parted WHERE tenant = $1",
                "parted btree (tenant)",
            ),
            (
                "SELECT * FROM items WHERE ($1 IS NULL OR sku = $1) AND ($2 IS NULL OR name = $2)",
                "items btree (sku)",
            ),
            (
                "SELECT id FROM items WHERE tenant = $1",
                "items btree (tenant) INCLUDE (id)",
            ),
        ];
        let missing: Vec<String> = cases
            .iter()
            .filter_map(|(query, wanted)| {
                let found = found(query);
                (!found.iter().any(|ddl| ddl == wanted))
                    .then(|| format!("{query}\n  wanted {wanted}\n  found {found:#?}"))
            })
            .collect();
        assert!(missing.is_empty(), "{}", missing.join("\n"));
    }

    #[pg_test]
    fn what_no_index_helps_has_no_candidates() {
        Spi::run(TABLES).expect("tables");
        for query in [
            "SELECT * FROM items",
            "SELECT * FROM items WHERE id = $1",
            "SELECT * FROM items WHERE random() < 0.1",
            "SELECT * FROM items WHERE name LIKE '%a%'",
            "SELECT * FROM items WHERE to_char(created_at, 'YYYY') = $1",
            "SELECT count(*) FROM items WHERE quantity + $1 > 7",
            "INSERT INTO moves VALUES ($1, $2, $3)",
            "SELECT * FROM items WHERE false",
        ] {
            assert_eq!(found(query), [""; 0], "{query}");
        }
    }

    #[pg_test]
    fn typical_values_come_from_statistics() {
        Spi::run(TABLES).expect("tables");
        let workload = gathered(
            "SELECT * FROM items WHERE status = $1 AND created_at BETWEEN $2 AND $3 LIMIT $4",
        );
        let typical = &workload.statements[0].typical;
        assert_eq!(typical.len(), 2);
        let weights: f64 = typical.iter().map(|set| set.weight).sum();
        assert!((weights - 1.0).abs() < 1e-9);
        assert_eq!(typical[0].values[0].as_deref(), Some("open"));
        assert!(typical[0].values[1] < typical[0].values[2]);
        assert_eq!(typical[0].values[3].as_deref(), Some("20"));
    }

    #[pg_test]
    fn existing_indexes_are_spelled_as_candidates_are() {
        Spi::run(TABLES).expect("tables");
        Spi::run(
            "CREATE INDEX ON items (lower(sku)) WHERE deleted_at IS NULL AND active;
             CREATE INDEX ON items (tenant DESC NULLS LAST, created_at) INCLUDE (name);
             CREATE INDEX ON items (name text_pattern_ops);
             CREATE INDEX ON items (name COLLATE \"C\");",
        )
        .expect("indexes");
        for (query, gone) in [
            (
                "SELECT * FROM items WHERE lower(sku) = $1 AND active AND deleted_at IS NULL",
                "items btree ((lower((sku)::text))) WHERE ((deleted_at IS NULL) AND active)",
            ),
            (
                "SELECT * FROM items ORDER BY tenant DESC NULLS LAST LIMIT 9",
                "items btree (tenant DESC NULLS LAST)",
            ),
            (
                "SELECT * FROM items WHERE name LIKE 'a%'",
                "items btree (name text_pattern_ops)",
            ),
            (
                "SELECT * FROM items ORDER BY name COLLATE \"C\" LIMIT 9",
                "items btree (name COLLATE C)",
            ),
        ] {
            let found = found(query);
            assert!(!found.iter().any(|ddl| ddl == gone), "{query}: {found:#?}");
        }
    }
}
