//! What the rows of one statement make invalid, bounded: a template that names too much is
//! replaced by its pattern.

use crate::cache::template::Target;
use crate::cache::text_array::TextArray;

/// Bytes that the names of one statement take at most, all templates together.
const TEXT_LIMIT: usize = 1024 * 1024;

pub struct Collected {
    templates: Vec<Names>,
    limit: usize,
    size_limit: usize,
    /// Templates that still collect.
    open: usize,
    /// There were more names than there may be.
    is_past_limit: bool,
}

enum Names {
    Some(TextArray),
    /// All that there are: the template names no column.
    One(TextArray),
    /// More than the limit, or not known.
    All,
}

/// The names by what they are of. Channels have no patterns.
#[derive(Default)]
pub struct Sorted {
    pub keys: TextArray,
    pub tags: TextArray,
    pub channels: TextArray,
    pub key_patterns: TextArray,
    pub tag_patterns: TextArray,
    pub broadened: bool,
}

/// What stands for everything that a template can name.
pub struct Everything<'a> {
    pub target: Target,
    /// A pattern, or the name of a channel.
    pub name: &'a [u8],
}

impl Collected {
    pub fn new(templates: usize, limit: usize) -> Self {
        Self {
            templates: (0..templates)
                .map(|_| Names::Some(TextArray::default()))
                .collect(),
            limit,
            size_limit: TEXT_LIMIT / templates.max(1),
            open: templates,
            is_past_limit: false,
        }
    }

    /// Whether further names of this template change anything.
    pub fn is_open(&self, template: usize) -> bool {
        matches!(self.templates[template], Names::Some(_))
    }

    /// Whether further names of any template change anything.
    pub fn is_any_open(&self) -> bool {
        self.open > 0
    }

    /// Makes room for the names of that many rows.
    pub fn reserve(&mut self, rows: usize) {
        for names in &mut self.templates {
            if let Names::Some(names) = names {
                names.reserve(rows.min(self.limit));
            }
        }
    }

    pub fn add(&mut self, template: usize, name: &[u8]) {
        if let Names::Some(names) = &mut self.templates[template] {
            names.add(name);
            if names.len() > self.limit || names.size() > self.size_limit {
                self.is_past_limit = true;
                self.broaden(template);
            }
        }
    }

    /// More names than there may be were given out already.
    pub fn pass_limit(&mut self) {
        self.is_past_limit = true;
    }

    pub fn is_past_limit(&self) -> bool {
        self.is_past_limit
    }

    /// The only name that a template can become.
    pub fn add_only(&mut self, template: usize, name: &[u8]) {
        if self.is_open(template) {
            self.templates[template] = Names::One([name].into_iter().collect());
            self.open -= 1;
        }
    }

    pub fn broaden(&mut self, template: usize) {
        if self.is_open(template) {
            self.templates[template] = Names::All;
            self.open -= 1;
        }
    }

    /// Sorts the names; `everything` stands for the templates that were broadened.
    pub fn sort<'a>(self, everything: impl Iterator<Item = Everything<'a>>) -> Sorted {
        let mut sorted = Sorted::default();
        for (names, everything) in self.templates.into_iter().zip(everything) {
            match (names, everything.target) {
                (Names::Some(names) | Names::One(names), target) => match target {
                    Target::Key => sorted.keys.add_all(names),
                    Target::Tag => sorted.tags.add_all(names),
                    Target::Channel => sorted.channels.add_all(names),
                },
                (Names::All, target) => {
                    sorted.broadened = true;
                    let list = match target {
                        Target::Key => &mut sorted.key_patterns,
                        Target::Tag => &mut sorted.tag_patterns,
                        Target::Channel => &mut sorted.channels,
                    };
                    list.add(everything.name);
                }
            }
        }
        sorted
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn sort(collected: Collected, targets: &[Target]) -> Sorted {
        collected.sort(targets.iter().map(|target| Everything {
            target: *target,
            name: b"*",
        }))
    }

    #[test]
    fn names_up_to_the_limit_are_kept_once() {
        let mut collected = Collected::new(2, 2);
        for name in ["a", "b", "a", "b"] {
            collected.add(0, name.as_bytes());
        }
        collected.add(1, b"t");
        assert!(!collected.is_past_limit());
        let sorted = sort(collected, &[Target::Key, Target::Tag]);
        assert_eq!((sorted.keys.len(), sorted.tags.len()), (2, 1));
        assert!(!sorted.broadened && sorted.key_patterns.is_empty());
    }

    #[test]
    fn a_template_beyond_the_limit_is_broadened_alone() {
        let mut collected = Collected::new(3, 2);
        for name in ["a", "b", "c", "d"] {
            collected.add(0, name.as_bytes());
            collected.add(2, name.as_bytes());
        }
        collected.add(1, b"t");
        assert!(!collected.is_open(0) && collected.is_open(1) && collected.is_any_open());
        assert!(collected.is_past_limit());
        let sorted = sort(collected, &[Target::Key, Target::Tag, Target::Channel]);
        assert!(sorted.broadened && sorted.keys.is_empty());
        assert_eq!((sorted.key_patterns.len(), sorted.tags.len()), (1, 1));
        assert_eq!(sorted.channels.iter().collect::<Vec<_>>(), [b"*"]);
    }

    #[test]
    fn a_template_without_columns_is_done_with_the_first_row() {
        let mut collected = Collected::new(1, 1);
        collected.add_only(0, b"a");
        assert!(!collected.is_any_open());
        collected.broaden(0);
        let sorted = sort(collected, &[Target::Tag]);
        assert_eq!((sorted.tags.len(), sorted.broadened), (1, false));
    }

    #[test]
    fn long_names_are_bounded_as_well() {
        let mut collected = Collected::new(1, 1_000);
        collected.add(0, &vec![b'x'; TEXT_LIMIT / 2]);
        assert!(collected.is_any_open());
        collected.add(0, &vec![b'y'; TEXT_LIMIT / 2 + 1]);
        assert!(!collected.is_any_open());
    }
}
