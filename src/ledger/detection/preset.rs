//! Ledgers of well-known applications.

use super::report::quoted_list;
use super::{Column, Detected, Detection, DetectionError, DetectionErrorKind, Legs, Source};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preset {
    Odoo,
    Tryton,
}

/// What a preset says about its application's table of stock movements.
struct Facts {
    pub tenant: &'static str,
    pub product: &'static str,
    pub from_location: &'static str,
    pub to_location: &'static str,
    pub quantity: &'static str,
    /// The columns of the day; of several, the first that is not NULL counts.
    pub moved_at: &'static [&'static str],
    pub filter: &'static str,
    pub filter_columns: &'static [&'static str],
    /// Together these columns tell the table from any other.
    pub distinguishing: &'static [&'static str],
}

impl Preset {
    pub const ALL: [Preset; 2] = [Preset::Odoo, Preset::Tryton];

    pub fn parse(name: &str) -> Result<Preset, DetectionError> {
        Preset::ALL
            .into_iter()
            .find(|preset| preset.name() == name)
            .ok_or_else(|| DetectionError {
                kind: DetectionErrorKind::InvalidParameter,
                message: format!("preset \"{name}\" does not exist"),
                detail: format!(
                    "The presets are {}.",
                    quoted_list(Preset::ALL.map(Preset::name))
                ),
                hint: "Leave preset out to detect the columns by their names.".into(),
            })
    }

    pub fn name(self) -> &'static str {
        match self {
            Preset::Odoo => "odoo",
            Preset::Tryton => "tryton",
        }
    }

    fn facts(self) -> &'static Facts {
        match self {
            Preset::Odoo => &Facts {
                tenant: "company_id",
                product: "product_id",
                from_location: "location_id",
                to_location: "location_dest_id",
                quantity: "product_qty",
                moved_at: &["date"],
                filter: "state = 'done'",
                filter_columns: &["state"],
                distinguishing: &["location_dest_id", "product_qty", "state"],
            },
            Preset::Tryton => &Facts {
                tenant: "company",
                product: "product",
                from_location: "from_location",
                to_location: "to_location",
                quantity: "internal_quantity",
                moved_at: &["effective_date", "planned_date"],
                filter: "state = 'done'",
                filter_columns: &["state"],
                distinguishing: &[
                    "internal_quantity",
                    "effective_date",
                    "from_location",
                    "state",
                ],
            },
        }
    }

    /// The preset whose table has these columns.
    fn recognize(columns: &[Column]) -> Option<Preset> {
        let has = |name: &&str| columns.iter().any(|column| column.name == *name);
        Preset::ALL
            .into_iter()
            .find(|preset| preset.facts().distinguishing.iter().all(has))
    }
}

impl Facts {
    pub fn moved_at_source(&self) -> Source {
        match self.moved_at {
            [column] => Source::Column((*column).into()),
            columns => Source::Expression(format!("coalesce({})", columns.join(", "))),
        }
    }
}

impl Detection<'_> {
    /// The preset that the caller names, else the one whose table this is.
    pub(super) fn preset(&mut self) -> Result<Option<Preset>, DetectionError> {
        let given = &self.given;
        if let Some(preset) = given.preset {
            if given.location.is_some() {
                return Err(DetectionError {
                    kind: DetectionErrorKind::InvalidParameter,
                    message: format!(
                        "location cannot be combined with preset \"{}\"",
                        preset.name()
                    ),
                    detail: "Its movements have two locations.".into(),
                    hint: "Use from_location and to_location, or leave preset out.".into(),
                });
            }
            return Ok(Some(preset));
        }
        let Some(preset) = Preset::recognize(self.columns) else {
            return Ok(None);
        };
        let facts = preset.facts();
        // Other locations make it another kind of ledger. Other choices override the preset, whose
        // filter must not get lost by naming, say, the quantity.
        let differs =
            |given: &Option<String>, fact: &str| given.as_ref().is_some_and(|given| given != fact);
        if given.location.is_some()
            || differs(&given.from_location, facts.from_location)
            || differs(&given.to_location, facts.to_location)
        {
            self.notices.push(format!(
                "preset: none, the given locations are not those of preset \"{}\"",
                preset.name()
            ));
            return Ok(None);
        }
        if !self.missing_columns(facts).is_empty() {
            return Ok(None);
        }
        self.notices.push(format!("preset: {}", preset.name()));
        Ok(Some(preset))
    }

    /// Columns that the preset needs for what the caller did not name.
    fn missing_columns(&self, facts: &Facts) -> Vec<&'static str> {
        let given = &self.given;
        let mut needed = Vec::new();
        let mut need = |given: &Option<String>, columns: &[&'static str]| {
            if given.is_none() {
                needed.extend_from_slice(columns);
            }
        };
        need(&given.product, &[facts.product]);
        need(&given.from_location, &[facts.from_location]);
        need(&given.to_location, &[facts.to_location]);
        need(&given.quantity, &[facts.quantity]);
        need(&given.moved_at, facts.moved_at);
        need(&given.filter, facts.filter_columns);
        needed.retain(|name| !self.has_column(name));
        needed
    }

    pub(super) fn by_preset(&mut self, preset: Preset) -> Result<Detected, DetectionError> {
        let facts = preset.facts();
        let missing = self.missing_columns(facts);
        if !missing.is_empty() {
            return Err(DetectionError {
                kind: DetectionErrorKind::UndefinedColumn,
                message: format!(
                    "ledger {} does not have the columns of preset \"{}\"",
                    self.ledger,
                    preset.name()
                ),
                detail: format!(
                    "Missing: {}. The columns are {}.",
                    quoted_list(missing),
                    self.all_columns()
                ),
                hint: "Name what takes their place, or leave preset out to detect the columns \
                       by their names."
                    .into(),
            });
        }
        let given = self.given.clone();
        let tenant = given.tenant.or_else(|| {
            let found = self.has_column(facts.tenant) && !self.is_given(facts.tenant);
            self.announce_optional("tenant", found.then(|| facts.tenant.into()))
        });
        let product = given
            .product
            .unwrap_or_else(|| self.announce("product", facts.product));
        let from_location = given
            .from_location
            .unwrap_or_else(|| self.announce("from_location", facts.from_location));
        let to_location = given
            .to_location
            .unwrap_or_else(|| self.announce("to_location", facts.to_location));
        let quantity = self
            .given_source(&given.quantity)
            .unwrap_or_else(|| Source::Column(self.announce("quantity", facts.quantity)));
        let moved_at = self.given_source(&given.moved_at).unwrap_or_else(|| {
            let source = facts.moved_at_source();
            self.notices
                .push(format!("moved_at: {}", source.described()));
            source
        });
        let filter = given.filter.unwrap_or_else(|| {
            self.notices.push(format!("filter: {}", facts.filter));
            facts.filter.into()
        });
        Ok(Detected {
            preset: Some(preset),
            tenant,
            product,
            legs: Legs::Two {
                from_location,
                to_location,
            },
            dimensions: given.dimensions,
            quantity,
            moved_at,
            filter: Some(filter),
            notices: std::mem::take(&mut self.notices),
        })
    }
}
