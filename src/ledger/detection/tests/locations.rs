use super::*;

#[test]
fn both_sides_make_a_two_leg_ledger() {
    for (from, to) in [
        ("from_location_id", "to_location_id"),
        ("source_warehouse", "target_warehouse"),
        ("src_bin_id", "dest_bin"),
        ("from_store", "destination_store_id"),
        ("From_Site", "To_Site"),
        ("location_id", "location_dest_id"),
        ("source_location_id", "location_dest_id"),
    ] {
        let list = changed(PLAIN, &["location_id"], &[(from, Integer), (to, Integer)]);
        assert_eq!(found(&list, none()).legs, two(from, to));
        assert_eq!(
            found(
                &list,
                Choices {
                    by_location: false,
                    ..none()
                }
            )
            .legs,
            two(from, to)
        );
    }
}

#[test]
fn an_unclear_transfer_is_refused() {
    let unclear: &[&[(&str, Category)]] = &[
        &[("from_location", Integer)],
        &[("to_location", Integer)],
        &[("location_dest_id", Integer)],
        &[("from_warehouse", Integer), ("to_store", Integer)],
        &[
            ("from_bin", Integer),
            ("from_site", Integer),
            ("to_bin", Integer),
        ],
        &[
            ("from_bin", Integer),
            ("to_bin", Integer),
            ("location_id", Integer),
        ],
        &[
            ("location_id", Integer),
            ("location_dest_id", Integer),
            ("store_id", Integer),
        ],
    ];
    for extra in unclear {
        let list = changed(PLAIN, &["location_id"], extra);
        for by_location in [true, false] {
            let error = refused(
                &list,
                Choices {
                    by_location,
                    ..none()
                },
            );
            assert_eq!(error.kind, DetectionErrorKind::AmbiguousColumn);
            for (name, _) in *extra {
                assert!(
                    error.detail.contains(&format!("\"{name}\"")),
                    "{}",
                    error.detail
                );
            }
        }
    }
}

#[test]
fn given_locations_settle_an_unclear_transfer() {
    let list = changed(
        PLAIN,
        &[],
        &[
            ("from_bin", Integer),
            ("to_bin", Integer),
            ("to_site", Integer),
        ],
    );
    let single = Choices {
        location: some("location_id"),
        ..none()
    };
    assert_eq!(found(&list, single).legs, one("location_id"));
    let pair = Choices {
        from_location: some("from_bin"),
        to_location: some("to_bin"),
        ..none()
    };
    assert_eq!(found(&list, pair).legs, two("from_bin", "to_bin"));
}

#[test]
fn without_by_location_one_location_is_not_needed() {
    let list = changed(PLAIN, &[], &[("store_id", Integer)]);
    let choices = Choices {
        by_location: false,
        ..none()
    };
    assert_eq!(
        found(&list, choices.clone()).legs,
        Legs::One { location: None }
    );
    let choices = Choices {
        location: some("store_id"),
        ..choices
    };
    assert_eq!(found(&list, choices).legs, Legs::One { location: None });
}

#[test]
fn contradicting_locations_are_refused() {
    let list = changed(PLAIN, &[], &[("from_bin", Integer), ("to_bin", Integer)]);
    let (place, from, to) = (some("location_id"), some("from_bin"), some("to_bin"));
    for (location, from_location, to_location, message) in [
        (
            None,
            from.clone(),
            None,
            "from_location is given without to_location",
        ),
        (
            None,
            None,
            to.clone(),
            "to_location is given without from_location",
        ),
        (
            place,
            from,
            to,
            "location cannot be combined with from_location or to_location",
        ),
    ] {
        let error = refused(
            &list,
            Choices {
                location,
                from_location,
                to_location,
                ..none()
            },
        );
        assert_eq!(error.kind, DetectionErrorKind::InvalidParameter);
        assert_eq!(error.message, message);
        assert!(error.hint.contains("to_location => '"));
        assert!(!error.hint.contains(" location => '"));
    }
}
