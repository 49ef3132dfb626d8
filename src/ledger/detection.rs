//! Which column of a ledger plays which role.
//!
//! A role is what the caller named, else what the preset says, else the one column with a name
//! that is known for the role. Two such columns are never a reason to guess.

mod names;
mod preset;
mod report;
mod roles;

pub use preset::Preset;
pub use roles::{
    Category, Choices, Column, Detected, DetectionError, DetectionErrorKind, Legs, Source,
};

use report::{quote_identifier, quoted_list};

/// Finds the role of each column. `ledger` is the table as SQL names it, for messages.
pub fn detect(
    ledger: &str,
    columns: &[Column],
    choices: &Choices,
) -> Result<Detected, DetectionError> {
    let given = resolve_columns(ledger, columns, choices)?;
    let mut detection = Detection {
        ledger,
        columns,
        given,
        notices: Vec::new(),
        gaps: Vec::new(),
    };
    let detected = match detection.preset()? {
        Some(preset) => detection.by_preset(preset)?,
        None => detection.by_names()?,
    };
    detection.check_distinct(&detected)?;
    Ok(detected)
}

struct Detection<'a> {
    ledger: &'a str,
    columns: &'a [Column],
    /// The caller's choices, with column names as stored.
    given: Choices,
    notices: Vec<String>,
    gaps: Vec<Gap>,
}

/// A role that no column, or more than one, could play.
struct Gap {
    role: &'static str,
    ambiguous: bool,
    detail: String,
    /// Arguments that would settle it.
    example: Vec<(&'static str, String)>,
}

impl Detection<'_> {
    fn by_names(&mut self) -> Result<Detected, DetectionError> {
        let given = self.given.clone();
        let tenant = given.tenant.or_else(|| {
            let found = self.only_candidate("tenant", names::TENANT, |_| true);
            self.announce_optional("tenant", found)
        });
        let product = given.product.or_else(|| {
            let found = self.only_candidate("product", names::PRODUCT, |_| true);
            self.announce_required("product", found, |_| true)
        });
        let legs = self.legs()?;
        let quantity = self.given_source(&given.quantity).or_else(|| {
            let found = self.only_candidate("quantity", names::QUANTITY, Category::is_numeric);
            self.announce_required("quantity", found, Category::is_numeric)
                .map(Source::Column)
        });
        let moved_at = self.given_source(&given.moved_at).or_else(|| {
            let moved = self.candidates(names::MOVED_AT, Category::has_day);
            let known = if moved.is_empty() {
                names::WRITTEN_AT
            } else {
                names::MOVED_AT
            };
            let found = self.only_candidate("moved_at", known, Category::has_day);
            self.announce_required("moved_at", found, Category::has_day)
                .map(Source::Column)
        });
        let (Some(product), Some(legs), Some(quantity), Some(moved_at), []) =
            (product, legs, quantity, moved_at, self.gaps.as_slice())
        else {
            return Err(self.gaps_error());
        };
        Ok(Detected {
            preset: None,
            tenant,
            product,
            legs,
            dimensions: given.dimensions,
            quantity,
            moved_at,
            filter: given.filter,
            notices: std::mem::take(&mut self.notices),
        })
    }

    /// `None` when a gap was recorded.
    fn legs(&mut self) -> Result<Option<Legs>, DetectionError> {
        let by_location = self.given.by_location;
        match (
            &self.given.location,
            &self.given.from_location,
            &self.given.to_location,
        ) {
            (Some(_), None, None) => {
                let location = self.given.location.clone().filter(|_| by_location);
                return Ok(Some(Legs::One { location }));
            }
            (None, Some(from_location), Some(to_location)) => {
                return Ok(Some(Legs::Two {
                    from_location: from_location.clone(),
                    to_location: to_location.clone(),
                }));
            }
            (None, None, None) => {}
            (Some(_), _, _) => {
                return Err(self.locations_error(
                    "location cannot be combined with from_location or to_location",
                ));
            }
            (None, Some(_), None) => {
                return Err(self.locations_error("from_location is given without to_location"));
            }
            (None, None, Some(_)) => {
                return Err(self.locations_error("to_location is given without from_location"));
            }
        }

        let (sources, destinations) = self.transfer_candidates();
        let mut places = self.candidates(names::LOCATION, |_| true);
        places.retain(|name| !sources.iter().any(|(source, _)| source == name));
        match (sources.as_slice(), destinations.as_slice()) {
            ([], []) => {
                // Without a location key a signed quantity needs no location.
                if !by_location {
                    return Ok(Some(Legs::One { location: None }));
                }
                let gaps = self.gaps.len();
                let location = self.only_candidate("location", names::LOCATION, |_| true);
                if self.gaps.len() > gaps {
                    return Ok(None);
                }
                let location = self.announce_optional("location", location);
                Ok(Some(Legs::One { location }))
            }
            // The two columns share one key, so they must name the same kind of place.
            ([(source, place)], [(destination, other)]) if place == other && places.is_empty() => {
                Ok(Some(Legs::Two {
                    from_location: self.announce("from_location", source),
                    to_location: self.announce("to_location", destination),
                }))
            }
            _ => {
                let mut example = Vec::new();
                if let ([(source, _), ..], [(destination, _), ..]) =
                    (sources.as_slice(), destinations.as_slice())
                {
                    example.push(("from_location", source.clone()));
                    example.push(("to_location", destination.clone()));
                } else if let Some(place) = places.first() {
                    example.push(("location", place.clone()));
                } else {
                    let name = |sides: &[(String, _)]| {
                        sides
                            .first()
                            .map_or("column".into(), |(name, _)| name.clone())
                    };
                    example.push(("from_location", name(&sources)));
                    example.push(("to_location", name(&destinations)));
                }
                let sides = sources
                    .into_iter()
                    .chain(destinations)
                    .map(|(name, _)| name);
                self.gaps.push(Gap {
                    role: "location",
                    ambiguous: true,
                    detail: format!(
                        "These columns do not tell one location from a transfer between two: {}.",
                        quoted_list(sides.chain(places))
                    ),
                    example,
                });
                Ok(None)
            }
        }
    }

    /// Columns for either side of a transfer, each with the kind of place it names.
    fn transfer_candidates(&self) -> (Sides, Sides) {
        let sides = |place: fn(&str) -> Option<&'static str>| -> Sides {
            self.free_columns()
                .filter_map(|column| Some((column.name.clone(), place(&lower(column))?)))
                .collect()
        };
        let mut sources = sides(names::source_place);
        let destinations = sides(names::destination_place);
        let pairs_with_plain_name = destinations
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(names::DESTINATION_OF_LOCATION));
        if sources.is_empty() && pairs_with_plain_name {
            let plain = self.candidates(&[names::SOURCE_OF_DESTINATION], |_| true);
            sources.extend(plain.into_iter().map(|name| (name, "location")));
        }
        (sources, destinations)
    }

    fn candidates(&self, known: &[&str], fits: fn(Category) -> bool) -> Vec<String> {
        self.free_columns()
            .filter(|column| known.contains(&lower(column).as_str()) && fits(column.category))
            .map(|column| column.name.clone())
            .collect()
    }

    /// The one column with a known name; records a gap when there are several.
    fn only_candidate(
        &mut self,
        role: &'static str,
        known: &[&str],
        fits: fn(Category) -> bool,
    ) -> Option<String> {
        let mut candidates = self.candidates(known, fits);
        if candidates.len() > 1 {
            self.gaps.push(Gap {
                role,
                ambiguous: true,
                detail: format!(
                    "More than one column could be {role}: {}.",
                    quoted_list(&candidates)
                ),
                example: vec![(role, candidates.remove(0))],
            });
            return None;
        }
        candidates.pop()
    }

    /// Columns that the caller has given no role.
    fn free_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns
            .iter()
            .filter(|column| !self.is_given(&column.name))
    }

    fn is_given(&self, name: &str) -> bool {
        let given = &self.given;
        let is_name = |given: &String| given == name;
        let is_source = |text: &Option<String>| {
            self.given_source(text)
                .is_some_and(|source| source == Source::Column(name.into()))
        };
        [
            &given.tenant,
            &given.product,
            &given.location,
            &given.from_location,
            &given.to_location,
        ]
        .into_iter()
        .flatten()
        .chain(&given.dimensions)
        .any(is_name)
            || is_source(&given.quantity)
            || is_source(&given.moved_at)
    }

    fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// A name of a column is that column, all else an expression.
    fn given_source(&self, given: &Option<String>) -> Option<Source> {
        let given = given.as_ref()?;
        Some(match find_column(self.columns, given) {
            Some(column) => Source::Column(column.name.clone()),
            None => Source::Expression(given.clone()),
        })
    }

    fn announce(&mut self, role: &str, column: &str) -> String {
        self.notices
            .push(format!("{role}: column {}", quote_identifier(column)));
        column.into()
    }

    fn announce_optional(&mut self, role: &str, found: Option<String>) -> Option<String> {
        match found {
            Some(column) => Some(self.announce(role, &column)),
            None => {
                self.notices.push(format!("{role}: none"));
                None
            }
        }
    }

    fn announce_required(
        &mut self,
        role: &'static str,
        found: Option<String>,
        fits: fn(Category) -> bool,
    ) -> Option<String> {
        if let Some(column) = found {
            return Some(self.announce(role, &column));
        }
        if self.gaps.iter().all(|gap| gap.role != role) {
            let possible = self.free_columns().filter(|column| fits(column.category));
            let possible = quoted_list(possible.map(|column| &column.name));
            self.gaps.push(Gap {
                role,
                ambiguous: false,
                detail: if possible.is_empty() {
                    format!("No column can be {role}.")
                } else {
                    format!("No column has a known name for {role}; possible are {possible}.")
                },
                example: vec![(role, "column".into())],
            });
        }
        None
    }
}

type Sides = Vec<(String, &'static str)>;

/// The choices with every key column's name as stored.
fn resolve_columns(
    ledger: &str,
    columns: &[Column],
    choices: &Choices,
) -> Result<Choices, DetectionError> {
    let mut given = choices.clone();
    let named = [
        ("tenant", &mut given.tenant),
        ("product", &mut given.product),
        ("location", &mut given.location),
        ("from_location", &mut given.from_location),
        ("to_location", &mut given.to_location),
    ]
    .into_iter()
    .filter_map(|(role, name)| Some((role, name.as_mut()?)));
    let dimensions = given.dimensions.iter_mut().map(|name| ("dimensions", name));
    for (role, name) in named.chain(dimensions) {
        let column = find_column(columns, name)
            .ok_or_else(|| report::undefined_column(ledger, columns, role, name))?;
        *name = column.name.clone();
    }
    Ok(given)
}

/// The column with exactly this name, else the one that SQL would understand by it.
fn find_column<'a>(columns: &'a [Column], name: &str) -> Option<&'a Column> {
    let named = |name: &str| columns.iter().find(|column| column.name == name);
    named(name).or_else(|| {
        let name = name.trim();
        match name
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        {
            // Quotes inside are doubled: an expression such as "a" + "b" is no name.
            Some(inner) if inner.replace("\"\"", "").contains('"') => None,
            Some(inner) => named(&inner.replace("\"\"", "\"")),
            None => named(&name.to_ascii_lowercase()),
        }
    })
}

fn lower(column: &Column) -> String {
    column.name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
