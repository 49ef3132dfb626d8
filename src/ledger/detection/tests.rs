use super::Category::*;
use super::*;

mod locations;
mod presets;

const LEDGER: &str = "stock_moves";

const PLAIN: &[(&str, Category)] = &[
    ("id", Integer),
    ("tenant_id", Uuid),
    ("product_id", Uuid),
    ("location_id", Integer),
    ("quantity", Exact),
    ("moved_at", TimestampTz),
];

fn columns(list: &[(&str, Category)]) -> Vec<Column> {
    list.iter()
        .map(|(name, category)| Column {
            name: (*name).into(),
            category: *category,
        })
        .collect()
}

/// The list without some columns and with others at its end.
fn changed(
    list: &[(&'static str, Category)],
    without: &[&str],
    with: &[(&'static str, Category)],
) -> Vec<(&'static str, Category)> {
    let mut changed = list.to_vec();
    changed.retain(|(name, _)| !without.contains(name));
    changed.extend_from_slice(with);
    changed
}

fn found(list: &[(&str, Category)], choices: Choices) -> Detected {
    detect(LEDGER, &columns(list), &choices).unwrap()
}

fn refused(list: &[(&str, Category)], choices: Choices) -> DetectionError {
    let error = detect(LEDGER, &columns(list), &choices).unwrap_err();
    assert!(!error.message.is_empty() && !error.detail.is_empty() && !error.hint.is_empty());
    error
}

fn none() -> Choices {
    Choices::default()
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

fn column(name: &str) -> Source {
    Source::Column(name.into())
}

fn one(location: &str) -> Legs {
    Legs::One {
        location: some(location),
    }
}

fn two(from_location: &str, to_location: &str) -> Legs {
    Legs::Two {
        from_location: from_location.into(),
        to_location: to_location.into(),
    }
}

#[test]
fn a_plain_ledger_needs_no_argument() {
    let detected = found(PLAIN, none());
    let expected = Detected {
        preset: None,
        tenant: some("tenant_id"),
        product: "product_id".into(),
        legs: one("location_id"),
        dimensions: vec![],
        quantity: column("quantity"),
        moved_at: column("moved_at"),
        filter: None,
        notices: vec![
            "tenant: column \"tenant_id\"".into(),
            "product: column \"product_id\"".into(),
            "location: column \"location_id\"".into(),
            "quantity: column \"quantity\"".into(),
            "moved_at: column \"moved_at\"".into(),
        ],
    };
    assert_eq!(detected, expected);
}

#[test]
fn every_known_name_is_found_in_any_case() {
    let replaced = |role: &str, name: &str, category| {
        let mut list: Vec<(String, Category)> = PLAIN
            .iter()
            .filter(|(column, _)| *column != role)
            .map(|(column, category)| ((*column).into(), *category))
            .collect();
        list.push((name.to_ascii_uppercase(), category));
        let list: Vec<(&str, Category)> = list
            .iter()
            .map(|(name, category)| (name.as_str(), *category))
            .collect();
        found(&list, none())
    };
    for name in names::TENANT {
        let detected = replaced("tenant_id", name, Text);
        assert_eq!(detected.tenant, some(&name.to_ascii_uppercase()));
    }
    for name in names::PRODUCT {
        assert_eq!(
            replaced("product_id", name, Text).product,
            name.to_ascii_uppercase()
        );
    }
    for name in names::LOCATION {
        let detected = replaced("location_id", name, Text);
        assert_eq!(detected.legs, one(&name.to_ascii_uppercase()));
    }
    for name in names::QUANTITY {
        let detected = replaced("quantity", name, Integer);
        assert_eq!(detected.quantity, column(&name.to_ascii_uppercase()));
    }
    for name in names::MOVED_AT.iter().chain(names::WRITTEN_AT) {
        let detected = replaced("moved_at", name, Date);
        assert_eq!(detected.moved_at, column(&name.to_ascii_uppercase()));
    }
}

#[test]
fn tenant_and_location_may_be_absent() {
    let detected = found(&changed(PLAIN, &["tenant_id", "location_id"], &[]), none());
    assert_eq!(detected.tenant, None);
    assert_eq!(detected.legs, Legs::One { location: None });
    assert!(detected.notices.contains(&"tenant: none".into()));
    assert!(detected.notices.contains(&"location: none".into()));
}

#[test]
fn missing_roles_are_reported_together() {
    let error = refused(&[("thing", Text), ("amount", Exact), ("at", Date)], none());
    assert_eq!(error.kind, DetectionErrorKind::UndefinedColumn);
    assert_eq!(
        error.message,
        "cannot tell the product, quantity and moved_at columns of ledger stock_moves"
    );
    assert!(
        error
            .detail
            .contains("known name for quantity; possible are \"amount\".")
    );
    assert!(
        error
            .detail
            .contains("known name for moved_at; possible are \"at\".")
    );
    assert!(
        error
            .detail
            .ends_with("The columns are \"thing\", \"amount\", \"at\".")
    );
    assert!(error.hint.ends_with(
        "SELECT * FROM inventory_perf.attach_ledger('stock_moves', product => 'column', \
         quantity => 'column', moved_at => 'column');"
    ));
}

#[test]
fn two_candidates_are_never_guessed_between() {
    for (role, first, extra) in [
        ("tenant", "tenant_id", ("company_id", Integer)),
        ("product", "product_id", ("sku", Text)),
        ("location", "location_id", ("warehouse_id", Integer)),
        ("quantity", "quantity", ("delta", Exact)),
        ("moved_at", "moved_at", ("posting_date", Date)),
    ] {
        let error = refused(&changed(PLAIN, &[], &[extra]), none());
        assert_eq!(error.kind, DetectionErrorKind::AmbiguousColumn);
        assert_eq!(
            error.message,
            format!("cannot tell the {role} column of ledger stock_moves")
        );
        assert!(
            error
                .detail
                .contains(&format!("could be {role}: \"{first}\", \"{}\".", extra.0))
        );
        assert!(
            error
                .hint
                .contains(&format!("('stock_moves', {role} => '{first}');"))
        );
    }
}

#[test]
fn a_given_column_settles_what_is_ambiguous() {
    let list = changed(
        PLAIN,
        &[],
        &[
            ("company_id", Integer),
            ("sku", Text),
            ("store_id", Integer),
            ("delta", Exact),
            ("posting_date", Date),
        ],
    );
    let detected = found(
        &list,
        Choices {
            tenant: some("company_id"),
            product: some("sku"),
            location: some("store_id"),
            quantity: some("delta"),
            moved_at: some("posting_date"),
            ..none()
        },
    );
    assert_eq!(detected.tenant, some("company_id"));
    assert_eq!(detected.product, "sku");
    assert_eq!(detected.legs, one("store_id"));
    assert_eq!(detected.quantity, column("delta"));
    assert_eq!(detected.moved_at, column("posting_date"));
    assert_eq!(detected.notices, Vec::<String>::new());
}

#[test]
fn a_column_with_a_role_is_no_candidate_for_another() {
    let list = changed(PLAIN, &[], &[("warehouse_id", Integer)]);
    let detected = found(
        &list,
        Choices {
            dimensions: vec!["warehouse_id".into()],
            ..none()
        },
    );
    assert_eq!(detected.legs, one("location_id"));
    assert_eq!(detected.dimensions, ["warehouse_id"]);
    let detected = found(
        &list,
        Choices {
            tenant: some("warehouse_id"),
            ..none()
        },
    );
    assert_eq!(detected.legs, one("location_id"));
}

#[test]
fn names_count_only_with_a_fitting_type() {
    let detected = found(
        &changed(PLAIN, &[], &[("date", Text), ("qty", Text)]),
        none(),
    );
    assert_eq!(detected.moved_at, column("moved_at"));
    assert_eq!(detected.quantity, column("quantity"));
    let error = refused(
        &changed(PLAIN, &["moved_at"], &[("moved_at", Integer)]),
        none(),
    );
    assert!(error.detail.contains("No column can be moved_at."));
}

#[test]
fn created_at_is_only_the_second_best_day() {
    let written = [("created_at", Timestamp)];
    assert_eq!(
        found(&changed(PLAIN, &[], &written), none()).moved_at,
        column("moved_at")
    );
    let detected = found(&changed(PLAIN, &["moved_at"], &written), none());
    assert_eq!(detected.moved_at, column("created_at"));
}

#[test]
fn given_columns_must_exist() {
    let wrong = || some("Nowhere \"x\"");
    for (role, choices) in [
        (
            "tenant",
            Choices {
                tenant: wrong(),
                ..none()
            },
        ),
        (
            "product",
            Choices {
                product: wrong(),
                ..none()
            },
        ),
        (
            "location",
            Choices {
                location: wrong(),
                ..none()
            },
        ),
        (
            "from_location",
            Choices {
                from_location: wrong(),
                ..none()
            },
        ),
        (
            "to_location",
            Choices {
                to_location: wrong(),
                ..none()
            },
        ),
        (
            "dimensions",
            Choices {
                dimensions: vec![wrong().unwrap()],
                ..none()
            },
        ),
    ] {
        let error = refused(PLAIN, choices);
        assert_eq!(error.kind, DetectionErrorKind::UndefinedColumn);
        assert_eq!(
            error.message,
            format!(
                "column \"Nowhere \"\"x\"\"\" given for {role} does not exist in ledger stock_moves"
            )
        );
        assert!(error.detail.contains("\"product_id\", \"location_id\""));
    }
}

#[test]
fn a_given_name_is_exact_or_read_as_sql() {
    let list = changed(
        PLAIN,
        &["product_id"],
        &[("Item No", Text), ("Sku", Text), ("sku", Text)],
    );
    for (given, product) in [
        ("Item No", "Item No"),
        ("\"Item No\"", "Item No"),
        ("Sku", "Sku"),
        ("\"Sku\"", "Sku"),
        ("SKU", "sku"),
        (" sku ", "sku"),
    ] {
        assert_eq!(
            found(
                &list,
                Choices {
                    product: some(given),
                    ..none()
                }
            )
            .product,
            product
        );
    }
}

#[test]
fn what_is_no_column_is_an_expression() {
    let expression = |text: &str| Source::Expression(text.into());
    let choices = Choices {
        quantity: some("abs(quantity)"),
        moved_at: some("\"a\" + \"b\""),
        filter: some("kind <> 'draft'"),
        ..none()
    };
    let detected = found(PLAIN, choices);
    assert_eq!(detected.quantity, expression("abs(quantity)"));
    assert_eq!(detected.moved_at, expression("\"a\" + \"b\""));
    assert_eq!(detected.filter, some("kind <> 'draft'"));
    let list = changed(PLAIN, &[], &[("Net \"Qty\"", Exact)]);
    let detected = found(
        &list,
        Choices {
            quantity: some("\"Net \"\"Qty\"\"\""),
            ..none()
        },
    );
    assert_eq!(detected.quantity.to_sql(), "\"Net \"\"Qty\"\"\"");
}

#[test]
fn one_column_cannot_play_two_parts_of_the_key() {
    let choices = Choices {
        tenant: some("product_id"),
        product: some("product_id"),
        ..none()
    };
    assert_eq!(
        refused(PLAIN, choices).message,
        "column \"product_id\" is used for both product and tenant"
    );
    let choices = Choices {
        dimensions: vec!["id".into(), "id".into()],
        ..none()
    };
    assert_eq!(
        refused(PLAIN, choices).message,
        "column \"id\" is used twice for dimensions"
    );
    let choices = Choices {
        from_location: some("id"),
        to_location: some("id"),
        ..none()
    };
    let error = refused(PLAIN, choices);
    assert_eq!(
        error.message,
        "column \"id\" is used for both from_location and to_location"
    );
}

#[test]
fn the_call_to_write_is_quoted_and_keeps_the_other_arguments() {
    let list = changed(PLAIN, &["quantity"], &[("it's", Integer), ("a\\b", Text)]);
    let choices = Choices {
        product: some("it's"),
        by_location: false,
        dimensions: vec!["a\\b".into()],
        ..none()
    };
    let error = detect("\"My Shop\".\"Moves's\"", &columns(&list), &choices).unwrap_err();
    assert!(error.hint.ends_with(
        "attach_ledger('\"My Shop\".\"Moves''s\"', product => 'it''s', quantity => 'column', \
         by_location => false, dimensions => ARRAY[E'a\\\\b']);"
    ));
}
