//! Tests that run inside PostgreSQL: what is written here in Rust against PostgreSQL's own.

use pgrx::prelude::*;

#[pg_schema]
mod tests {
    use pgrx::prelude::*;

    use crate::calendar::{FIRST_DAY, LAST_DAY, Month};
    use crate::decimal::{NumericValue, decode};
    use crate::ledger::keys::{KeyInterner, KeyType};

    fn one<T: FromDatum + IntoDatum>(query: &str) -> T {
        Spi::get_one::<T>(query).expect(query).expect("a value")
    }

    /// The bytes of a numeric as PostgreSQL made them, without their length.
    fn payload(numeric: &AnyNumeric) -> Vec<u8> {
        let datum = numeric.clone().into_datum().expect("a numeric is not null");
        // SAFETY: the datum is a numeric that lives until the copy is made.
        unsafe {
            let varlena = pgrx::pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            let length = pgrx::varsize_any_exhdr(varlena);
            std::slice::from_raw_parts(pgrx::vardata_any(varlena).cast::<u8>(), length).to_vec()
        }
    }

    #[pg_test]
    fn numerics_are_read_and_written_as_postgresql_does() {
        for exponent in -14..=25 {
            for digits in ["0", "1", "9999", "10000", "12345678901", "-70", "-99990000"] {
                let text = format!("{digits}e{exponent}");
                let numeric: AnyNumeric = one(&format!("SELECT '{text}'::numeric"));
                let stored = payload(&numeric);
                match decode(&stored) {
                    NumericValue::Finite(decimal) => {
                        let encoded = decimal.to_numeric();
                        assert_eq!(&encoded.as_bytes()[4..], stored, "{text}");
                    }
                    other => panic!("{text} is {other:?}"),
                }
            }
        }
    }

    #[pg_test]
    fn special_numerics_are_told_apart() {
        let read = |text: &str| decode(&payload(&one(&format!("SELECT '{text}'::numeric"))));
        assert_eq!(read("NaN"), NumericValue::NotANumber);
        assert_eq!(read("Infinity"), NumericValue::PositiveInfinity);
        assert_eq!(read("-Infinity"), NumericValue::NegativeInfinity);
        assert_eq!(read("1e50"), NumericValue::TooWide);
    }

    #[pg_test]
    fn months_are_those_of_date_trunc() {
        for day in (FIRST_DAY..=LAST_DAY)
            .step_by(1_234_567)
            .chain([FIRST_DAY, -1, 0, 59, LAST_DAY])
        {
            let (month, day_of_month) = Month::of_day(day);
            let expected: i32 = one(&format!(
                "SELECT date_trunc('month', ('2000-01-01'::date + ({day}))::timestamp)::date \
                        - '2000-01-01'::date"
            ));
            assert_eq!(month.first_day(), expected);
            assert_eq!(expected + i32::from(day_of_month) - 1, day);
        }
    }

    #[pg_test]
    fn the_last_day_still_has_a_next_month_and_the_next_one_has_none() {
        let next = |day: i32| {
            format!("SELECT (('2000-01-01'::date + ({day})) + interval '1 month')::date::text")
        };
        assert_eq!(one::<String>(&next(LAST_DAY)), "294276-12-30");
        let beyond = PgTryBuilder::new(|| Spi::get_one::<String>(&next(LAST_DAY + 32)).is_ok())
            .catch_others(|_| false)
            .execute();
        assert!(!beyond);
    }

    #[pg_test]
    fn keys_are_equal_by_their_types_own_equality() {
        let numerics: Vec<AnyNumeric> = ["1.0", "1.00", "2"]
            .iter()
            .map(|text| one(&format!("SELECT '{text}'::numeric")))
            .collect();
        let key_type = KeyType::new(pgrx::pg_sys::NUMERICOID, pgrx::pg_sys::InvalidOid);
        let mut keys = KeyInterner::new(vec![key_type.expect("numeric can be a key")]);
        let numbers: Vec<u32> = numerics
            .into_iter()
            // SAFETY: one numeric for a key of one numeric column.
            .map(|numeric| unsafe { keys.intern(&[numeric.into_datum().expect("not null")]) })
            .collect();
        assert_eq!(numbers, [0, 0, 1]);
    }

    #[pg_test]
    fn a_type_without_order_cannot_be_a_key() {
        assert!(KeyType::new(pgrx::pg_sys::POINTOID, pgrx::pg_sys::InvalidOid).is_err());
    }

    #[pg_test]
    fn a_ledger_answers_in_the_transaction_that_attached_it() {
        Spi::run(
            "CREATE TABLE moves (product_id integer, quantity numeric, moved_at date); \
             INSERT INTO moves VALUES (1, 5, '2024-01-31'), (1, -2, '2024-02-10'); \
             SELECT inventory_perf.attach_ledger('moves'); \
             INSERT INTO moves VALUES (1, 1e30, '2024-02-01'); \
             DELETE FROM moves WHERE quantity = 5",
        )
        .expect("attached");
        let on = |day: &str| -> String {
            one(&format!(
                "SELECT quantity::text FROM stock_on('{day}') WHERE product_id = 1"
            ))
        };
        assert_eq!(on("2024-02-01"), "1000000000000000000000000000000");
        assert_eq!(on("2024-02-10"), "999999999999999999999999999998");
        Spi::run("SELECT inventory_perf.populate_daily_stock_snapshots()").expect("folded");
        assert_eq!(on("2024-02-10"), "999999999999999999999999999998");
        let differences: i64 = one("SELECT count(*) FROM inventory_perf.verify_ledger('moves')");
        assert_eq!(differences, 0);
    }
}
