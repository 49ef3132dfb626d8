use super::*;

const ODOO: &[(&str, Category)] = &[
    ("id", Integer),
    ("company_id", Integer),
    ("product_id", Integer),
    ("location_id", Integer),
    ("location_dest_id", Integer),
    ("warehouse_id", Integer),
    ("product_qty", Exact),
    ("product_uom_qty", Exact),
    ("state", Text),
    ("date", Timestamp),
    ("create_date", Timestamp),
];

const TRYTON: &[(&str, Category)] = &[
    ("company", Integer),
    ("product", Integer),
    ("from_location", Integer),
    ("to_location", Integer),
    ("quantity", Float),
    ("internal_quantity", Float),
    ("state", Text),
    ("planned_date", Date),
    ("effective_date", Date),
];

#[test]
fn odoo_is_recognized() {
    let detected = found(ODOO, none());
    let expected = Detected {
        preset: Some(Preset::Odoo),
        tenant: some("company_id"),
        product: "product_id".into(),
        legs: two("location_id", "location_dest_id"),
        dimensions: vec![],
        quantity: column("product_qty"),
        moved_at: column("date"),
        filter: some("state = 'done'"),
        notices: vec![
            "preset: odoo".into(),
            "tenant: column \"company_id\"".into(),
            "product: column \"product_id\"".into(),
            "from_location: column \"location_id\"".into(),
            "to_location: column \"location_dest_id\"".into(),
            "quantity: column \"product_qty\"".into(),
            "moved_at: column \"date\"".into(),
            "filter: state = 'done'".into(),
        ],
    };
    assert_eq!(detected, expected);
    let named = found(
        ODOO,
        Choices {
            preset: Some(Preset::Odoo),
            ..none()
        },
    );
    assert_eq!(named.notices, expected.notices[1..]);
}

#[test]
fn tryton_is_recognized() {
    let detected = found(TRYTON, none());
    assert_eq!(detected.preset, Some(Preset::Tryton));
    assert_eq!(detected.tenant, some("company"));
    assert_eq!(detected.product, "product");
    assert_eq!(detected.legs, two("from_location", "to_location"));
    assert_eq!(detected.quantity, column("internal_quantity"));
    assert_eq!(
        detected.moved_at.to_sql(),
        "coalesce(effective_date, planned_date)"
    );
    assert_eq!(detected.filter, some("state = 'done'"));
    let notice = "moved_at: expression coalesce(effective_date, planned_date)";
    assert!(detected.notices.contains(&notice.into()));
}

#[test]
fn arguments_override_a_preset() {
    let list = changed(
        ODOO,
        &["product_qty", "company_id", "date"],
        &[("owner", Integer)],
    );
    let choices = Choices {
        preset: Some(Preset::Odoo),
        tenant: some("owner"),
        quantity: some("product_uom_qty * 2"),
        moved_at: some("create_date"),
        filter: some("true"),
        ..none()
    };
    let detected = found(&list, choices);
    assert_eq!(detected.tenant, some("owner"));
    assert_eq!(detected.legs, two("location_id", "location_dest_id"));
    assert_eq!(
        detected.quantity,
        Source::Expression("product_uom_qty * 2".into())
    );
    assert_eq!(detected.moved_at, column("create_date"));
    assert_eq!(detected.filter, some("true"));
}

#[test]
fn a_recognized_preset_keeps_its_filter_when_the_quantity_is_named() {
    let detected = found(
        ODOO,
        Choices {
            quantity: some("product_uom_qty"),
            ..none()
        },
    );
    assert_eq!(detected.preset, Some(Preset::Odoo));
    assert_eq!(detected.filter, some("state = 'done'"));
    let detected = found(
        ODOO,
        Choices {
            to_location: some("location_dest_id"),
            ..none()
        },
    );
    assert_eq!(detected.legs, two("location_id", "location_dest_id"));
}

#[test]
fn other_locations_are_no_recognized_preset() {
    let single = Choices {
        location: some("warehouse_id"),
        quantity: some("product_qty"),
        ..none()
    };
    let detected = found(ODOO, single);
    assert_eq!(detected.preset, None);
    assert_eq!(detected.legs, one("warehouse_id"));
    assert_eq!(detected.filter, None);
    assert!(detected.notices[0].starts_with("preset: none, "));
}

#[test]
fn a_preset_needs_all_its_distinguishing_columns_to_be_recognized() {
    for name in ["location_dest_id", "product_qty", "state"] {
        let detected = detect(LEDGER, &columns(&changed(ODOO, &[name], &[])), &none());
        assert_ne!(
            detected.ok().and_then(|detected| detected.preset),
            Some(Preset::Odoo)
        );
    }
    for name in [
        "internal_quantity",
        "effective_date",
        "from_location",
        "state",
    ] {
        let detected = detect(LEDGER, &columns(&changed(TRYTON, &[name], &[])), &none());
        assert_ne!(
            detected.ok().and_then(|detected| detected.preset),
            Some(Preset::Tryton)
        );
    }
    let renamed = changed(TRYTON, &["planned_date", "product"], &[("item", Integer)]);
    assert_eq!(found(&renamed, none()).preset, None);
}

#[test]
fn a_named_preset_lists_the_columns_it_misses() {
    let error = refused(
        PLAIN,
        Choices {
            preset: Some(Preset::Odoo),
            ..none()
        },
    );
    assert_eq!(error.kind, DetectionErrorKind::UndefinedColumn);
    assert_eq!(
        error.message,
        "ledger stock_moves does not have the columns of preset \"odoo\""
    );
    let missing = "Missing: \"location_dest_id\", \"product_qty\", \"date\", \"state\".";
    assert!(error.detail.starts_with(missing), "{}", error.detail);
}

#[test]
fn a_preset_does_without_a_company() {
    let detected = found(&changed(ODOO, &["company_id"], &[]), none());
    assert_eq!(
        (detected.preset, detected.tenant),
        (Some(Preset::Odoo), None)
    );
}

#[test]
fn a_preset_excludes_a_single_location() {
    let choices = Choices {
        preset: Some(Preset::Odoo),
        location: some("warehouse_id"),
        ..none()
    };
    let error = refused(ODOO, choices);
    assert_eq!(
        error.message,
        "location cannot be combined with preset \"odoo\""
    );
}

#[test]
fn presets_have_names() {
    for preset in Preset::ALL {
        assert_eq!(Preset::parse(preset.name()), Ok(preset));
    }
    let error = Preset::parse("sap").unwrap_err();
    assert_eq!(error.kind, DetectionErrorKind::InvalidParameter);
    assert_eq!(error.message, "preset \"sap\" does not exist");
    assert_eq!(error.detail, "The presets are \"odoo\", \"tryton\".");
}
