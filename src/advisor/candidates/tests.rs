use super::super::analysis::shape::{Condition, Key, SortKey, Test, Value};
use super::super::facts::{ColumnFacts, ExistingIndex};
use super::super::index::Method;
use super::*;

fn column(name: &str, type_oid: u32, distinct: f64) -> ColumnFacts {
    ColumnFacts {
        name: name.into(),
        type_oid,
        width: 8.0,
        null_fraction: 0.0,
        distinct: Some(distinct),
        correlation: None,
        common: Vec::new(),
        bounds: Vec::new(),
    }
}

fn items() -> TableFacts {
    let mut table = TableFacts::of_columns(vec![
        column("tenant", 23, 50.0),
        column("product", 23, 100_000.0),
        column("status", 25, 4.0),
        column("name", 25, 1_000_000.0),
        column("moved_at", 1184, 1_000_000.0),
        column("quantity", 1700, 1_000.0),
        column("level", 1700, 10.0),
    ]);
    table.columns[4].correlation = Some(0.99);
    table
}

fn key(name: &str) -> Key {
    Key {
        expression: KeyExpression::Column(name.into()),
        type_oid: 25,
        collation: None,
        columns: vec![name.into()],
    }
}

fn condition(name: &str, test: Test, selectivity: f64) -> Condition {
    Condition {
        key: Some(key(name)),
        test,
        value: Value::Parameter(1),
        selectivity,
        predicate: None,
    }
}

fn constant(name: &str, test: Test, selectivity: f64, predicate: &str) -> Condition {
    Condition {
        value: Value::Constant,
        predicate: Some(predicate.into()),
        ..condition(name, test, selectivity)
    }
}

fn sort(name: &str, descending: bool, nulls_first: bool) -> SortKey {
    SortKey {
        key: key(name),
        descending,
        nulls_first,
    }
}

fn of(used: TableUse, table: TableFacts) -> Vec<Candidate> {
    let shape = QueryShape {
        uses: vec![TableUse {
            relation: 1,
            ..used
        }],
        ..QueryShape::default()
    };
    let options = Options {
        max_columns: 3,
        partial: true,
        ..Options::default()
    };
    candidates(&shape, &BTreeMap::from([(1, table)]), &options)
}

/// What follows the table's name in the DDL.
fn ddl(candidates: &[Candidate]) -> Vec<String> {
    candidates
        .iter()
        .map(|candidate| {
            let ddl = candidate.definition.nameless_ddl();
            let (_, body) = ddl.split_once(" USING ").unwrap();
            body.replace('"', "")
        })
        .collect()
}

#[track_caller]
fn assert_has(candidates: &[Candidate], wanted: &str) {
    let found = ddl(candidates);
    assert!(found.iter().any(|body| body == wanted), "{found:#?}");
}

#[track_caller]
fn assert_lacks(candidates: &[Candidate], unwanted: &str) {
    let found = ddl(candidates);
    assert!(!found.iter().any(|body| body == unwanted), "{found:#?}");
}

#[test]
fn equalities_come_first_the_most_selective_before_the_others_then_one_range() {
    let found = of(
        TableUse {
            conditions: vec![
                condition("moved_at", Test::Above, 0.1),
                condition("tenant", Test::Equal, 0.02),
                condition("product", Test::Equal, 0.00001),
                condition("quantity", Test::Below, 0.3),
            ],
            whole_row: true,
            ..TableUse::default()
        },
        items(),
    );
    assert_eq!(ddl(&found)[0], "btree (product, tenant, moved_at)");
    assert_has(&found, "btree (tenant, product, moved_at)");
    assert_has(&found, "btree (tenant, moved_at)");
    assert_has(&found, "btree (product)");
    assert_lacks(&found, "btree (product, moved_at, quantity)");
    assert!(ddl(&found).iter().all(|body| !body.contains("INCLUDE")));
}

#[test]
fn an_order_follows_the_equalities_with_its_directions() {
    let used = TableUse {
        conditions: vec![
            condition("tenant", Test::Equal, 0.02),
            condition("status", Test::AnyOf, 0.3),
        ],
        order: vec![sort("quantity", false, false), sort("moved_at", true, true)],
        order_is_whole: true,
        limited: true,
        whole_row: true,
        ..TableUse::default()
    };
    let found = of(used.clone(), items());
    assert_has(&found, "btree (tenant, quantity, moved_at DESC)");
    assert_has(&found, "btree (quantity, moved_at DESC)");
    assert_lacks(&found, "btree (status, quantity, moved_at DESC)");

    let backwards = TableUse {
        order: vec![sort("quantity", true, true), sort("moved_at", true, true)],
        ..used.clone()
    };
    assert_has(
        &of(backwards, items()),
        "btree (tenant, quantity, moved_at)",
    );

    let nulls_last = TableUse {
        order: vec![sort("quantity", true, false)],
        ..used
    };
    assert_has(
        &of(nulls_last, items()),
        "btree (tenant, quantity DESC NULLS LAST)",
    );
}

#[test]
fn joins_stand_before_and_after_filters() {
    let join = Condition {
        value: Value::Join(None),
        ..condition("product", Test::Equal, 0.00001)
    };
    let found = of(
        TableUse {
            conditions: vec![condition("tenant", Test::Equal, 0.02), join],
            columns: ["tenant", "product", "quantity"].map(String::from).into(),
            ..TableUse::default()
        },
        items(),
    );
    assert_has(&found, "btree (tenant, product)");
    assert_has(&found, "btree (product, tenant)");
    assert_has(&found, "btree (product)");
    assert_has(&found, "btree (product, tenant) INCLUDE (quantity)");
}

#[test]
fn states_of_rows_become_predicates_and_their_keys_go() {
    let found = of(
        TableUse {
            conditions: vec![
                constant("status", Test::Equal, 0.1, "(status = 'open'::text)"),
                constant("product", Test::Equal, 0.00001, "(product = 7)"),
                constant("quantity", Test::Above, 0.3, "(quantity > '0'::numeric)"),
                constant("quantity", Test::Below, 0.3, "(quantity < '9'::numeric)"),
            ],
            whole_row: true,
            ..TableUse::default()
        },
        items(),
    );
    assert_has(
        &found,
        "btree (product, quantity) WHERE ((quantity > '0'::numeric) AND (status = 'open'::text))",
    );
    assert_has(&found, "btree (product) WHERE (status = 'open'::text)");
    let text = ddl(&found).join("\n");
    assert!(!text.contains("WHERE (product = 7)"), "{text}");
    assert!(!text.contains("'9'"), "{text}");
}

#[test]
fn a_part_of_most_rows_is_not_worth_it_and_columns_of_one_row_compare() {
    let common = constant("status", Test::Equal, 0.9, "(status = 'active'::text)");
    let low = Condition {
        key: None,
        test: Test::Other,
        value: Value::Later,
        selectivity: 0.05,
        predicate: Some("(quantity <= level)".into()),
    };
    let found = of(
        TableUse {
            conditions: vec![common, low],
            whole_row: true,
            ..TableUse::default()
        },
        items(),
    );
    let text = ddl(&found).join("\n");
    assert!(!text.contains("WHERE (status"), "{text}");
    assert_has(&found, "btree (quantity) WHERE (quantity <= level)");
}

#[test]
fn prefixes_need_their_operator_class_unless_bytes_are_compared() {
    let of_prefix = |needs_pattern_class| {
        of(
            TableUse {
                conditions: vec![condition(
                    "name",
                    Test::Prefix {
                        needs_pattern_class,
                    },
                    0.01,
                )],
                whole_row: true,
                ..TableUse::default()
            },
            items(),
        )
    };
    assert_has(&of_prefix(true), "btree (name text_pattern_ops)");
    assert_has(&of_prefix(false), "btree (name)");
}

#[test]
fn the_reason_names_the_keys_that_are_there() {
    let of_order = |conditions: Vec<Condition>, order: &[&str]| {
        let order = order.iter().map(|name| sort(name, false, false)).collect();
        let used = TableUse {
            conditions,
            order,
            limited: true,
            whole_row: true,
            ..TableUse::default()
        };
        of(used, items())
    };
    let reason = |found: &[Candidate], wanted: &str| {
        let place = ddl(found).iter().position(|body| body == wanted);
        found[place.expect(wanted)].reason.text.clone()
    };
    let equalities: Vec<Condition> = ["product", "tenant", "status"]
        .iter()
        .map(|name| condition(name, Test::Equal, 0.01))
        .collect();
    // Three keys are the most: the order is not in it, or a part of it is.
    let found = of_order(equalities.clone(), &["moved_at"]);
    assert_eq!(
        reason(&found, "btree (product, tenant, status)"),
        "equality on product, then equality on tenant, then equality on status"
    );
    let found = of_order(equalities[..1].to_vec(), &["moved_at", "level", "quantity"]);
    assert_eq!(
        reason(&found, "btree (product, moved_at, level)"),
        "equality on product, then order by moved_at, level"
    );
    // What the predicate fixes is no key.
    let found = of_order(
        vec![
            constant("status", Test::Equal, 0.01, "status = 'open'"),
            condition("tenant", Test::Equal, 0.02),
        ],
        &["moved_at"],
    );
    assert_eq!(
        reason(&found, "btree (tenant, moved_at) WHERE status = 'open'"),
        "equality on tenant, then order by moved_at; only rows where status = 'open'"
    );
}

#[test]
fn trigrams_are_advised_by_rule_where_they_leave_few_rows() {
    let used = |selectivity| TableUse {
        alternatives: vec![vec![
            vec![condition("name", Test::Trigram, selectivity)],
            vec![condition("status", Test::Trigram, selectivity)],
        ]],
        ..TableUse::default()
    };
    let found = of(used(0.01), items());
    assert_has(&found, "gin (name public.gin_trgm_ops)");
    assert_has(
        &found,
        "gin (name public.gin_trgm_ops, status public.gin_trgm_ops)",
    );
    assert!(found.iter().all(|candidate| !candidate.costable));
    assert!(of(used(0.5), items()).is_empty());

    let mut bare = items();
    bare.trigrams = None;
    let needs = of(used(0.01), bare.clone());
    assert_eq!(needs[0].reason.needs.as_deref(), Some("pg_trgm"));
    bare.rows = 100.0;
    assert!(of(used(0.01), bare).is_empty());
}

#[test]
fn jsonb_paths_are_enough_unless_keys_are_asked_for() {
    let special = |opclass: Option<&str>| {
        condition(
            "name",
            Test::Special {
                method: Method::Gin,
                opclass: opclass.map(String::from),
            },
            0.01,
        )
    };
    let only_paths = TableUse {
        conditions: vec![special(Some("jsonb_path_ops"))],
        ..TableUse::default()
    };
    assert_eq!(ddl(&of(only_paths, items())), ["gin (name jsonb_path_ops)"]);
    let both = TableUse {
        conditions: vec![special(Some("jsonb_path_ops")), special(None)],
        ..TableUse::default()
    };
    assert_eq!(ddl(&of(both, items())), ["gin (name)"]);
}

#[test]
fn brin_is_for_large_tables_in_the_order_of_the_column() {
    let used = TableUse {
        conditions: vec![
            condition("moved_at", Test::Above, 0.1),
            condition("quantity", Test::Above, 0.1),
        ],
        whole_row: true,
        ..TableUse::default()
    };
    let found = of(used.clone(), items());
    assert_has(&found, "brin (moved_at)");
    assert_lacks(&found, "brin (quantity)");
    let mut small = items();
    small.pages = 100.0;
    assert_lacks(&of(used, small), "brin (moved_at)");
}

#[test]
fn what_exists_is_not_a_candidate() {
    let used = TableUse {
        conditions: vec![
            condition("tenant", Test::Equal, 0.02),
            condition("product", Test::Equal, 0.001),
        ],
        whole_row: true,
        ..TableUse::default()
    };
    let mut table = items();
    let wanted = of(used.clone(), table.clone())[0].definition.clone();
    let existing = |valid| ExistingIndex {
        name: "i".into(),
        definition: wanted.clone(),
        unique: false,
        valid,
        constraint: false,
    };
    table.indexes = vec![existing(true)];
    let found = of(used.clone(), table.clone());
    assert_lacks(&found, "btree (product, tenant)");
    assert_lacks(&found, "btree (product)");
    assert_has(&found, "btree (tenant, product)");
    table.indexes = vec![existing(false)];
    assert_has(&of(used, table), "btree (product, tenant)");
}

#[test]
fn no_index_is_wider_than_allowed() {
    let names = ["tenant", "product", "status", "name", "quantity"];
    let conditions = names.map(|name| condition(name, Test::Equal, 0.01)).into();
    let found = of(
        TableUse {
            conditions,
            whole_row: true,
            ..TableUse::default()
        },
        items(),
    );
    assert!(found.iter().all(|c| c.definition.keys.len() <= 3));
    assert!(found.len() <= 80);
}

#[test]
fn a_constant_among_many_is_no_ground_for_an_index_over_its_rows() {
    let asked = |constant_value: &str| TableUse {
        relation: 1,
        conditions: vec![
            constant("status", Test::Equal, 0.1, constant_value),
            condition("tenant", Test::Equal, 0.02),
        ],
        ..TableUse::default()
    };
    let shapes = |count: usize| -> Vec<QueryShape> {
        (0..count)
            .map(|number| QueryShape {
                uses: vec![asked(&format!("(status = '{number}'::text)"))],
                ..QueryShape::default()
            })
            .collect()
    };
    for (constants, partial) in [(3, true), (4, false)] {
        let shapes = shapes(constants);
        let options = Options {
            max_columns: 3,
            partial: true,
            values: values(shapes.iter()),
            ..Options::default()
        };
        let found = candidates(&shapes[0], &BTreeMap::from([(1, items())]), &options);
        let wanted = "btree (tenant) WHERE (status = '0'::text)";
        assert_eq!(ddl(&found).iter().any(|body| body == wanted), partial);
        assert_has(&found, "btree (tenant, status)");
    }
}
