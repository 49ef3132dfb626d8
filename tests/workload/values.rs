//! Random values. Few distinct keys, so that writers meet; days on both sides of every month's and
//! midnight's edge, some far away; quantities of every width and scale.

use rand::Rng;
use rand::rngs::StdRng;

fn pick<'a>(rng: &mut StdRng, values: &[&'a str]) -> &'a str {
    values[rng.random_range(0..values.len())]
}

fn rarely_null(rng: &mut StdRng, value: String) -> Option<String> {
    (!rng.random_bool(0.02)).then_some(value)
}

pub fn tenant(rng: &mut StdRng) -> Option<String> {
    let tenant = rng.random_range(1..=2);
    rarely_null(rng, tenant.to_string())
}

pub fn product(rng: &mut StdRng) -> Option<String> {
    let product = rng.random_range(1..=6);
    rarely_null(rng, product.to_string())
}

/// A product of a ledger that is partitioned by it: never NULL.
pub fn item(rng: &mut StdRng) -> Option<String> {
    Some(rng.random_range(1..=6).to_string())
}

pub fn location(rng: &mut StdRng) -> Option<String> {
    let location = rng.random_range(1..=4);
    rarely_null(rng, location.to_string())
}

/// One side of a two-leg movement: often NULL, the world outside.
pub fn side(rng: &mut StdRng) -> Option<String> {
    let location = rng.random_range(1..=4);
    (!rng.random_bool(0.3)).then(|| location.to_string())
}

pub fn uuid_tenant(rng: &mut StdRng) -> Option<String> {
    let tenant = rng.random_range(1..=2);
    rarely_null(rng, format!("00000000-0000-4000-8000-00000000000{tenant}"))
}

/// Text keys that try quoting, collation and escapes.
pub fn text_product(rng: &mut StdRng) -> Option<String> {
    let product = pick(
        rng,
        &[
            "apple",
            "Apple",
            "b'quote",
            "c \"double\"",
            "d\\slash",
            "\u{e9}clair",
            "",
        ],
    );
    rarely_null(rng, product.to_owned())
}

pub fn text_location(rng: &mut StdRng) -> Option<String> {
    let location = pick(rng, &["north", "south", "{east}", "west, west"]);
    rarely_null(rng, location.to_owned())
}

pub fn quality(rng: &mut StdRng) -> Option<String> {
    let quality = pick(rng, &["new", "used", "broken"]);
    rarely_null(rng, quality.to_owned())
}

pub fn any_lot(rng: &mut StdRng) -> Option<String> {
    let (owner, number) = (rng.random_range(0..=3), rng.random_range(1..=2));
    let renamed = if rng.random_bool(0.5) { " renamed" } else { "" };
    Some(format!("lot {owner} {number}{renamed}"))
}

pub fn state(rng: &mut StdRng) -> Option<String> {
    let state = pick(rng, &["done", "done", "done", "draft", "cancel"]);
    rarely_null(rng, state.to_owned())
}

pub fn truth(rng: &mut StdRng) -> Option<String> {
    let truth = pick(rng, &["f", "f", "f", "t"]);
    rarely_null(rng, truth.to_owned())
}

pub fn small_integer(rng: &mut StdRng) -> Option<String> {
    let quantity: i16 = match rng.random_range(0..20) {
        0 => 0,
        1 => i16::MAX,
        2 => i16::MIN,
        _ => rng.random_range(-100..=100),
    };
    rarely_null(rng, quantity.to_string())
}

/// Small enough that products of two stay in range.
pub fn integer(rng: &mut StdRng) -> Option<String> {
    let quantity = rng.random_range(-1000..=1000);
    rarely_null(rng, quantity.to_string())
}

pub fn exact(rng: &mut StdRng) -> Option<String> {
    let quantity = match rng.random_range(0..40) {
        0 => "0".to_owned(),
        1 => "0.000".to_owned(),
        2 => format!("{}.000000000000001", rng.random_range(-9..=9)),
        3 => format!("{}00000000000000000000.5", rng.random_range(1..=9)),
        // Wider than 128 bits.
        4 => format!(
            "-{}99999999999999999999999999999999999999999999.25",
            rng.random_range(1..=9)
        ),
        5 => format!("{}e60", rng.random_range(-9..=9)),
        6..=15 => {
            let cents: i64 = rng.random_range(-99_999..=99_999);
            format!(
                "{}{}.{:02}",
                sign(cents),
                cents.abs() / 100,
                cents.abs() % 100
            )
        }
        _ => rng.random_range(-500..=500).to_string(),
    };
    rarely_null(rng, quantity)
}

/// Binary fractions and decimal fractions that `float8` cannot hold exactly.
pub fn float(rng: &mut StdRng) -> Option<String> {
    let thousandths: i64 = match rng.random_range(0..10) {
        0 => 0,
        1 => 1,
        _ => rng.random_range(-99_999..=99_999),
    };
    let amount = thousandths.abs();
    rarely_null(
        rng,
        format!(
            "{}{}.{:03}",
            sign(thousandths),
            amount / 1000,
            amount % 1000
        ),
    )
}

fn sign(number: i64) -> &'static str {
    if number < 0 { "-" } else { "" }
}

pub fn day(rng: &mut StdRng) -> Option<String> {
    let day = any_day(rng);
    rarely_null(rng, day)
}

pub fn optional_day(rng: &mut StdRng) -> Option<String> {
    let day = any_day(rng);
    rng.random_bool(0.5).then_some(day)
}

pub fn timestamp(rng: &mut StdRng) -> Option<String> {
    let moment = any_moment(rng);
    rarely_null(rng, moment)
}

pub fn timestamp_with_zone(rng: &mut StdRng) -> Option<String> {
    let zone = pick(rng, &["+00", "+13", "-08", "+05:30"]);
    let moment = match any_moment(rng) {
        ancient if ancient.ends_with(" BC") => ancient.replace(" BC", &format!("{zone} BC")),
        moment => format!("{moment}{zone}"),
    };
    rarely_null(rng, moment)
}

fn any_moment(rng: &mut StdRng) -> String {
    let day = any_day(rng);
    let time = pick(
        rng,
        &[
            "00:00:00",
            "23:59:59.999999",
            "10:59:59",
            "11:00:00",
            "12:00:00",
        ],
    );
    match day.strip_suffix(" BC") {
        Some(day) => format!("{day} {time} BC"),
        None => format!("{day} {time}"),
    }
}

/// A day that a reader may ask for; never NULL.
pub fn any_day(rng: &mut StdRng) -> String {
    match rng.random_range(0..200) {
        0 => pick(
            rng,
            &["0202-03-01", "9999-12-31", "0044-03-15 BC", "1969-12-31"],
        )
        .to_owned(),
        1..=12 => pick(
            rng,
            &[
                "2024-01-31",
                "2024-02-01",
                "2024-02-29",
                "2024-03-01",
                "2024-03-31",
                "2024-12-31",
            ],
        )
        .to_owned(),
        13..=60 => day_of(rng, 2023..=2024, 1..=12),
        _ => day_of(rng, 2024..=2024, 2..=4),
    }
}

pub fn day_of(
    rng: &mut StdRng,
    years: std::ops::RangeInclusive<u32>,
    months: std::ops::RangeInclusive<u32>,
) -> String {
    let (year, month) = (rng.random_range(years), rng.random_range(months));
    format!("{year:04}-{month:02}-{:02}", rng.random_range(1..=28))
}
