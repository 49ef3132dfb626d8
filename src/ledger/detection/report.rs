//! Errors of detection: what is wrong, what there is, and the call to write instead.

use super::{Column, Detected, Detection, DetectionError, DetectionErrorKind, Legs};

impl Detection<'_> {
    /// One error for all roles that stayed open, so that one corrected call settles them.
    pub(super) fn gaps_error(&self) -> DetectionError {
        let roles: Vec<_> = self.gaps.iter().map(|gap| gap.role).collect();
        let details: Vec<_> = self.gaps.iter().map(|gap| gap.detail.as_str()).collect();
        let example: Vec<_> = self
            .gaps
            .iter()
            .flat_map(|gap| gap.example.clone())
            .collect();
        let plural = if roles.len() == 1 { "" } else { "s" };
        DetectionError {
            kind: if self.gaps.iter().any(|gap| gap.ambiguous) {
                DetectionErrorKind::AmbiguousColumn
            } else {
                DetectionErrorKind::UndefinedColumn
            },
            message: format!(
                "cannot tell the {} column{plural} of ledger {}",
                in_words(&roles),
                self.ledger
            ),
            detail: format!(
                "{} The columns are {}.",
                details.join(" "),
                self.all_columns()
            ),
            hint: format!("Name what is meant, for example: {}", self.call(&example)),
        }
    }

    pub(super) fn locations_error(&self, message: &str) -> DetectionError {
        let given = &self.given;
        let known = |name: &Option<String>| name.clone().unwrap_or("column".into());
        let from_location = given
            .from_location
            .as_ref()
            .or(given.location.as_ref())
            .cloned();
        let example = [
            ("from_location", known(&from_location)),
            ("to_location", known(&given.to_location)),
        ];
        DetectionError {
            kind: DetectionErrorKind::InvalidParameter,
            message: message.into(),
            detail: format!(
                "A movement has one location, or one it leaves and one it reaches. \
                 The columns are {}.",
                self.all_columns()
            ),
            hint: format!(
                "Name either location alone, or both sides: {}",
                self.call(&example)
            ),
        }
    }

    /// A column cannot be two parts of one key, nor both sides of a transfer.
    pub(super) fn check_distinct(&self, detected: &Detected) -> Result<(), DetectionError> {
        let mut parts = vec![("product", &detected.product)];
        parts.extend(detected.tenant.as_ref().map(|name| ("tenant", name)));
        match &detected.legs {
            Legs::One { location } => {
                parts.extend(location.as_ref().map(|name| ("location", name)));
            }
            Legs::Two {
                from_location,
                to_location,
            } => {
                parts.extend([
                    ("from_location", from_location),
                    ("to_location", to_location),
                ]);
            }
        }
        parts.extend(detected.dimensions.iter().map(|name| ("dimensions", name)));
        for (at, (role, name)) in parts.iter().enumerate() {
            if let Some((earlier, _)) = parts[..at].iter().find(|(_, other)| other == name) {
                let roles = if earlier == role {
                    format!("twice for {role}")
                } else {
                    format!("for both {earlier} and {role}")
                };
                return Err(DetectionError {
                    kind: DetectionErrorKind::InvalidParameter,
                    message: format!("column {} is used {roles}", quote_identifier(name)),
                    detail: format!("The columns are {}.", self.all_columns()),
                    hint: "Give each of them a column of its own.".into(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn all_columns(&self) -> String {
        all_columns(self.columns)
    }

    /// The caller's `attach_ledger` call with these arguments in it.
    fn call(&self, changes: &[(&'static str, String)]) -> String {
        let given = &self.given;
        let preset = given.preset.map(|preset| preset.name().into());
        let mut arguments = vec![quote_literal(self.ledger)];
        let in_transfer = changes.iter().any(|(role, _)| *role == "from_location");
        let location = given.location.clone().filter(|_| !in_transfer);
        let named = [
            ("preset", &preset),
            ("tenant", &given.tenant),
            ("product", &given.product),
            ("location", &location),
            ("from_location", &given.from_location),
            ("to_location", &given.to_location),
            ("quantity", &given.quantity),
            ("moved_at", &given.moved_at),
            ("filter", &given.filter),
        ];
        for (role, given) in named {
            let changed = changes.iter().find(|(changed, _)| *changed == role);
            if let Some(value) = changed.map(|(_, value)| value).or(given.as_ref()) {
                arguments.push(format!("{role} => {}", quote_literal(value)));
            }
        }
        if !given.by_location {
            arguments.push("by_location => false".into());
        }
        if !given.dimensions.is_empty() {
            let names: Vec<_> = given
                .dimensions
                .iter()
                .map(|name| quote_literal(name))
                .collect();
            arguments.push(format!("dimensions => ARRAY[{}]", names.join(", ")));
        }
        format!(
            "SELECT * FROM inventory_perf.attach_ledger({});",
            arguments.join(", ")
        )
    }
}

pub(super) fn undefined_column(
    ledger: &str,
    columns: &[Column],
    role: &str,
    name: &str,
) -> DetectionError {
    DetectionError {
        kind: DetectionErrorKind::UndefinedColumn,
        message: format!(
            "column {} given for {role} does not exist in ledger {ledger}",
            quote_identifier(name)
        ),
        detail: format!("The columns are {}.", all_columns(columns)),
        hint: format!(
            "Name one of them: SELECT * FROM inventory_perf.attach_ledger({}, {role} => {});",
            quote_literal(ledger),
            if role == "dimensions" {
                "ARRAY['column']"
            } else {
                "'column'"
            }
        ),
    }
}

fn all_columns(columns: &[Column]) -> String {
    quoted_list(columns.iter().map(|column| &column.name))
}

pub(super) fn quoted_list(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let quoted: Vec<_> = names
        .into_iter()
        .map(|name| quote_identifier(name.as_ref()))
        .collect();
    quoted.join(", ")
}

/// Quotes always: a reserved word is then no special case.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn quote_literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    // A backslash means itself only in an escape string, whatever standard_conforming_strings is.
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

fn in_words(roles: &[&str]) -> String {
    match roles {
        [] => String::new(),
        [only] => (*only).into(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
