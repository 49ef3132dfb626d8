//! What detection is given and what it gives back.

use super::Preset;
use super::report::quote_identifier;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    Integer,
    Exact,
    Float,
    Date,
    Timestamp,
    TimestampTz,
    Text,
    Uuid,
    Boolean,
    Other,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Column {
    pub name: String,
    pub category: Category,
}

/// What the caller of `attach_ledger` named; columns as an SQL name or exactly as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choices {
    pub preset: Option<Preset>,
    pub tenant: Option<String>,
    pub product: Option<String>,
    pub location: Option<String>,
    pub from_location: Option<String>,
    pub to_location: Option<String>,
    pub by_location: bool,
    pub dimensions: Vec<String>,
    pub quantity: Option<String>,
    pub moved_at: Option<String>,
    pub filter: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A column's name as stored, not quoted.
    Column(String),
    /// An SQL expression over the ledger's columns.
    Expression(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Legs {
    /// A row changes the stock of one location, or of none that is told apart.
    One { location: Option<String> },
    /// A row takes from one location and gives to another.
    Two {
        from_location: String,
        to_location: String,
    },
}

/// The role of each column; names as stored, not quoted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Detected {
    pub preset: Option<Preset>,
    pub tenant: Option<String>,
    pub product: String,
    pub legs: Legs,
    pub dimensions: Vec<String>,
    pub quantity: Source,
    pub moved_at: Source,
    pub filter: Option<String>,
    /// What was chosen on the caller's behalf, one line for each role.
    pub notices: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DetectionErrorKind {
    UndefinedColumn,
    AmbiguousColumn,
    InvalidParameter,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DetectionError {
    pub kind: DetectionErrorKind,
    pub message: String,
    pub detail: String,
    pub hint: String,
}

impl Default for Choices {
    fn default() -> Choices {
        Choices {
            preset: None,
            tenant: None,
            product: None,
            location: None,
            from_location: None,
            to_location: None,
            by_location: true,
            dimensions: Vec::new(),
            quantity: None,
            moved_at: None,
            filter: None,
        }
    }
}

impl Category {
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Category::Integer | Category::Exact | Category::Float)
    }

    pub(super) fn has_day(self) -> bool {
        matches!(
            self,
            Category::Date | Category::Timestamp | Category::TimestampTz
        )
    }
}

impl Source {
    pub fn to_sql(&self) -> String {
        match self {
            Source::Column(name) => quote_identifier(name),
            Source::Expression(expression) => expression.clone(),
        }
    }

    pub(super) fn described(&self) -> String {
        match self {
            Source::Column(name) => format!("column {}", quote_identifier(name)),
            Source::Expression(expression) => format!("expression {expression}"),
        }
    }
}
