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
            }
        })
        .collect()
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
