//! How many rows share each combination of an index's keys, from what the statistics say of each
//! key alone and of keys together. Keys of which nothing is known together are taken to be
//! independent.

/// So many values, or combinations of values, each with this share of the table's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    pub count: f64,
    pub share: f64,
}

/// So many groups of equal keys in an index, each of so many rows on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    pub count: f64,
    pub rows: f64,
    /// All of the same size, not only on average.
    pub exact: bool,
}

/// Classes of shares within this factor of each other are taken as one.
const WITHIN: f64 = 1.5;
/// Classes of a combination at most.
const MOST: usize = 48;

/// The values of a key: the common ones, NULL, and the others alike.
pub fn of_key(distinct: f64, common: &[f64], nulls: f64) -> Vec<Class> {
    let one = |share: f64| Class { count: 1.0, share };
    let mut classes: Vec<Class> = common.iter().copied().map(one).collect();
    let known: f64 = common.iter().sum::<f64>() + nulls;
    let others = (distinct - common.len() as f64).round();
    if nulls > 0.0 {
        classes.push(one(nulls));
    }
    if known < 1.0 && (others >= 1.0 || classes.is_empty()) {
        let count = others.max(1.0);
        let share = (1.0 - known) / count;
        classes.push(Class { count, share });
    }
    condensed(classes, WITHIN)
}

/// Classes with nearly the same share as one, with their mean.
fn condensed(mut classes: Vec<Class>, within: f64) -> Vec<Class> {
    classes.retain(|class| class.count > 0.0 && class.share > 0.0);
    classes.sort_by(|a, b| b.share.total_cmp(&a.share));
    let mut condensed: Vec<(Class, f64)> = Vec::new();
    for class in classes {
        match condensed.last_mut() {
            Some((last, largest)) if *largest <= class.share * within => {
                let rows = last.count * last.share + class.count * class.share;
                last.count += class.count;
                last.share = rows / last.count;
            }
            _ => condensed.push((class, class.share)),
        }
    }
    condensed.into_iter().map(|(class, _)| class).collect()
}

/// The combinations of independent keys.
pub fn combined(keys: &[Vec<Class>]) -> Vec<Class> {
    let mut all = vec![Class {
        count: 1.0,
        share: 1.0,
    }];
    for key in keys {
        let pairs = all.iter().flat_map(|a| {
            key.iter().map(|b| Class {
                count: a.count * b.count,
                share: a.share * b.share,
            })
        });
        let mut within = WITHIN;
        let every: Vec<Class> = pairs.collect();
        all = condensed(every.clone(), within);
        while all.len() > MOST {
            within *= 1.5;
            all = condensed(every.clone(), within);
        }
    }
    all
}

/// How many of the combinations `rows` rows have.
pub fn distinct(classes: &[Class], rows: f64) -> f64 {
    classes
        .iter()
        .map(|class| class.count * -(-rows * class.share).exp_m1())
        .sum()
}

/// The combinations made more or fewer, so that `rows` rows have `wanted` of them.
pub fn adjusted(classes: &[Class], rows: f64, wanted: f64) -> Vec<Class> {
    let wanted = wanted.clamp(1.0, rows.max(1.0));
    let scaled = |factor: f64| -> Vec<Class> {
        classes
            .iter()
            .map(|class| Class {
                count: class.count * factor,
                share: class.share / factor,
            })
            .collect()
    };
    let (mut low, mut high) = (-60.0_f64, 60.0_f64);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if distinct(&scaled(middle.exp()), rows) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    scaled(((low + high) / 2.0).exp())
}

/// The groups in an index over `part` of the rows, of keys that were seen together: each of the
/// values is in the table.
pub fn of_known(classes: &[Class], rows: f64, part: f64) -> Vec<Group> {
    classes
        .iter()
        .map(|class| {
            let each = rows * class.share;
            let kept = 1.0 - (1.0 - part).max(0.0).powf(each);
            Group {
                count: class.count * kept,
                rows: (each * part / kept.max(f64::MIN_POSITIVE)).max(1.0),
                exact: false,
            }
        })
        .collect()
}

/// The groups of combinations, as many as chance makes `rows` rows have.
pub fn by_chance(classes: &[Class], rows: f64) -> Vec<Group> {
    classes
        .iter()
        .map(|class| {
            let each = rows * class.share;
            let hit = -(-each).exp_m1();
            Group {
                count: class.count * hit,
                rows: (each / hit.max(f64::MIN_POSITIVE)).max(1.0),
                exact: false,
            }
        })
        .collect()
}

/// Standard deviation of how many combinations `rows` rows have, at least one.
fn deviation(classes: &[Class], rows: f64) -> f64 {
    let missed: f64 = classes
        .iter()
        .map(|class| {
            let missed = (-rows * class.share).exp();
            class.count * missed * (1.0 - missed)
        })
        .sum();
    // Where nearly all of them are new, it is the few repeats that vary.
    missed.min(rows - distinct(classes, rows)).max(1.0).sqrt()
}

/// What a sample of the rows shows.
#[derive(Debug, Clone, Copy)]
pub struct Drawn {
    pub rows: f64,
    /// In which they lie.
    pub blocks: f64,
    /// Combinations; and the same, counted anew in each block.
    pub distinct: f64,
    pub apart: f64,
}

/// Repeats by which a sample may differ from what is expected, in standard errors.
const ERRORS: f64 = 2.0;
/// Rows for each combination of a block, against what chance makes, from which on it is no chance:
/// equal rows lie together.
const TOGETHER: f64 = 1.03;

/// The groups of `rows` rows, with as many combinations as make a sample look as it does, within
/// `limits`. `None` if it looks as it should with the classes as they are.
///
/// Equal rows that lie together are one draw, so that a block full of them does not pass for a table
/// full of them. Of the draws, the number of combinations is fitted to how many of them are new, as
/// estimators of the number of species do; the shares that the statistics know take the place of the
/// assumption that all are equally frequent, with which those go wrong on skewed columns (Haas,
/// Naughton, Seshadri, Stokes 1995).
pub fn refitted(
    classes: &[Class],
    rows: f64,
    drawn: Drawn,
    (least, most): (f64, f64),
) -> Option<Vec<Group>> {
    let blocks = drawn.blocks.max(1.0);
    let of_block = drawn.apart / blocks;
    let by_chance = distinct(classes, drawn.rows / blocks);
    // Each draw stands for so many rows; a block begins and ends within such a run.
    let each = ((by_chance - 1.0) / (of_block - 1.0).max(1e-9)).clamp(1.0, drawn.rows.max(1.0));
    let together = by_chance > TOGETHER * of_block;
    let each = if together { each } else { 1.0 };
    let expected = drawn.rows - distinct(classes, drawn.rows);
    let repeats = drawn.rows - drawn.distinct;
    if !together && (repeats - expected).abs() <= ERRORS * deviation(classes, drawn.rows) {
        return None;
    }
    let draws = rows / each;
    let sampled = drawn.rows / each;
    let new = if together {
        sampled * drawn.distinct / drawn.apart.max(1.0)
    } else {
        drawn.distinct
    };
    let mut fitted = adjusted(classes, sampled, new);
    let found = distinct(&fitted, draws);
    if found < least || found > most {
        fitted = adjusted(&fitted, draws, found.max(least).min(most));
    }
    let groups = self::by_chance(&fitted, draws).into_iter();
    Some(
        groups
            .map(|group| Group {
                rows: group.rows * each,
                ..group
            })
            .collect(),
    )
}

#[cfg(test)]
mod unit {
    use super::*;

    fn alike(count: f64) -> Vec<Class> {
        of_key(count, &[], 0.0)
    }

    fn total(groups: &[Group]) -> (f64, f64) {
        groups.iter().fold((0.0, 0.0), |(count, rows), group| {
            (count + group.count, rows + group.count * group.rows)
        })
    }

    #[test]
    fn a_key_has_all_of_its_rows() {
        for (distinct, common, nulls) in [
            (10.0, vec![], 0.0),
            (1000.0, vec![0.3, 0.2, 0.1], 0.1),
            (3.0, vec![0.5, 0.3, 0.2], 0.0),
            (0.0, vec![], 1.0),
        ] {
            let classes = of_key(distinct, &common, nulls);
            let rows: f64 = classes.iter().map(|c| c.count * c.share).sum();
            assert!((rows - 1.0).abs() < 1e-9, "{classes:?}");
        }
    }

    #[test]
    fn independent_keys_combine_up_to_the_rows() {
        let pair = |a: f64, b: f64| combined(&[alike(a), alike(b)]);
        assert!((distinct(&pair(1000.0, 1000.0), 1e6) - 632_120.6).abs() < 1.0);
        assert!((distinct(&pair(10.0, 10.0), 1e6) - 100.0).abs() < 1e-6);
    }

    #[test]
    fn skewed_keys_have_fewer_combinations() {
        let skewed: Vec<f64> = (1..=20).map(|rank| 0.5_f64.powi(rank)).collect();
        let key = of_key(20.0, &skewed, 0.0);
        let both = combined(&[key.clone(), key, alike(100.0)]);
        let found = distinct(&both, 1e5);
        assert!(found < 0.5 * 40_000.0, "{found}");
        let rows: f64 = both.iter().map(|c| c.count * c.share).sum();
        assert!((rows - 1.0).abs() < 1e-3, "{rows}");
    }

    #[test]
    fn what_is_known_of_keys_together_counts() {
        let both = combined(&[alike(10_000.0), alike(500.0)]);
        for wanted in [40_000.0, 250_000.0] {
            let known = adjusted(&both, 3e5, wanted);
            assert!((distinct(&known, 3e5) / wanted - 1.0).abs() < 1e-3);
        }
    }

    /// Combinations of 300,000 rows when 10,000 of them, ten in each block, have so many.
    fn refit(classes: &[Class], distinct: f64, apart: f64, most: f64) -> Option<(f64, f64)> {
        let drawn = Drawn {
            rows: 1e4,
            blocks: 1e3,
            distinct,
            apart,
        };
        Some(total(&refitted(classes, 3e5, drawn, (1.0, most))?))
    }

    #[test]
    fn a_sample_that_looks_as_expected_changes_nothing() {
        let pair = combined(&[alike(1000.0), alike(1000.0)]);
        let expected = distinct(&pair, 1e4);
        assert_eq!(refit(&pair, expected, 1e4, 1e6), None);
        assert_eq!(refit(&pair, expected - 12.0, 1e4, 1e6), None);
    }

    #[test]
    fn columns_that_depend_on_each_other_show_in_a_sample() {
        // As many pairs as the second has values.
        let pair = combined(&[alike(100.0), alike(5000.0)]);
        let seen = distinct(&alike(5000.0), 1e4);
        let (count, rows) = refit(&pair, seen, 9990.0, 5e5).unwrap();
        assert!((count / 5000.0 - 1.0).abs() < 0.01, "{count}");
        assert!((rows / 3e5 - 1.0).abs() < 0.01, "{rows}");
        // Each pair there is, once: chance would have a third of them twice.
        let pair = combined(&[alike(600.0), alike(500.0)]);
        let (count, _) = refit(&pair, 1e4, 1e4, 3e5).unwrap();
        assert!((count / 3e5 - 1.0).abs() < 0.01, "{count}");
    }

    #[test]
    fn equal_rows_that_lie_together_count_once() {
        // Five rows of each, beside each other: two in a block, and mostly a part of a third.
        let pair = combined(&[alike(60_000.0), alike(60_000.0)]);
        let (count, rows) = refit(&pair, 2800.0, 2800.0, 3e5).unwrap();
        assert!((count / 6e4 - 1.0).abs() < 0.02, "{count}");
        assert!((rows / 3e5 - 1.0).abs() < 0.01, "{rows}");
        // A value of half of the rows repeats in each block, and tells nothing of the others.
        let skewed = of_key(5000.0, &[0.5], 0.0);
        let seen = distinct(&skewed, 1e4);
        let apart = 1e3 * distinct(&skewed, 10.0);
        assert!(apart < 7e3);
        assert_eq!(refit(&skewed, seen, apart, 1e6), None);
    }

    #[test]
    fn a_part_of_the_rows_has_a_part_of_the_values() {
        let (count, rows) = total(&of_known(&alike(1000.0), 1e6, 1.0));
        assert!((count - 1000.0).abs() < 1e-6 && (rows - 1e6).abs() < 1.0);
        let (count, rows) = total(&of_known(&alike(500_000.0), 1e6, 0.1));
        assert!((count - 95_000.0).abs() < 1.0, "{count}");
        assert!((rows - 1e5).abs() < 10.0, "{rows}");
        let (_, rows) = total(&by_chance(&combined(&[alike(1000.0), alike(1000.0)]), 1e5));
        assert!((rows - 1e5).abs() < 10.0, "{rows}");
    }
}
