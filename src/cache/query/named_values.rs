//! Where a query uses values that are written as names, such as those of type regclass.
//!
//! After a rename such a value is written otherwise, and no trigger tells. It does no harm as the
//! number that it is: compared, or given to a function that is declared to take it. Types are read
//! from the text form of node trees, as in `nodes`; if something is taken for a use that is none,
//! the query is computed each time.

use std::collections::BTreeSet;

use super::nodes::Tokens;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Types of values that something is made of.
    pub types: BTreeSet<u32>,
    /// Functions, and types of values that they are given.
    pub arguments: BTreeSet<(u32, u32)>,
    /// Types of columns that one part of the query hands to another. They are used as well if rows
    /// are taken as a whole.
    columns: BTreeSet<u32>,
    takes_rows: bool,
}

/// Fields that hold the type of a value.
const TYPE_FIELDS: [&str; 16] = [
    ":vartype",
    ":consttype",
    ":paramtype",
    ":aggtype",
    ":wintype",
    ":funcresulttype",
    ":opresulttype",
    ":refrestype",
    ":resulttype",
    ":casetype",
    ":typeId",
    ":array_typeid",
    ":row_typeid",
    ":coalescetype",
    ":minmaxtype",
    ":firstColType",
];
const RECORD: u32 = 2249;

/// A node that is being read.
#[derive(Default)]
struct Node<'a> {
    name: &'a str,
    types: Vec<u32>,
    function: Option<u32>,
    /// A variable that stands for a row.
    is_row: bool,
    /// A parameter of the caller's.
    is_given: bool,
}

impl Uses {
    /// Adds what the text of a node tree uses.
    pub fn scan(&mut self, text: &str) {
        let mut open: Vec<Node> = Vec::new();
        let mut tokens = Tokens(text).peekable();
        while let Some(token) = tokens.next() {
            if token == "{" {
                open.push(Node {
                    name: tokens.peek().copied().unwrap_or_default(),
                    ..Node::default()
                });
                continue;
            }
            let Some(node) = open.last_mut() else {
                continue;
            };
            let mut number = || tokens.peek().and_then(|next| next.parse().ok());
            match token {
                "}" => {
                    let node = open.pop().unwrap_or_default();
                    self.add(&node, open.last());
                }
                ":funcid" => node.function = number(),
                ":varattno" => node.is_row = number() == Some(0),
                ":paramkind" => node.is_given = number() == Some(0),
                ":aggargtypes" => {
                    let types = tokens.clone().skip(2);
                    self.types
                        .extend(types.map_while(|next| next.parse::<u32>().ok()));
                }
                field if TYPE_FIELDS.contains(&field) => node.types.extend(number()),
                _ => {}
            }
        }
    }

    fn add(&mut self, node: &Node, parent: Option<&Node>) {
        self.takes_rows |= node.is_row && node.types.contains(&RECORD);
        let parent_name = parent.map_or("", |parent| parent.name);
        let types = node.types.iter().copied();
        match (parent_name, parent.and_then(|parent| parent.function)) {
            _ if node.is_given => self.types.extend(types),
            ("FUNCEXPR", Some(function)) => {
                self.arguments.extend(types.map(|of| (function, of)));
            }
            // The same value under another type.
            ("RELABELTYPE", _) => {}
            // Columns of a part's result, or of a join.
            ("TARGETENTRY" | "RTE" | "RANGETBLENTRY", _)
                if matches!(node.name, "VAR" | "CONST") =>
            {
                self.columns.extend(types);
            }
            _ => self.types.extend(types),
        }
    }

    /// Adds the types of the columns that the caller gets.
    pub fn add_result(&mut self, types: impl Iterator<Item = u32>) {
        self.types.extend(types);
    }

    /// Types of all values, in whatever way they are used.
    pub fn all_types(&self) -> BTreeSet<u32> {
        let arguments = self.arguments.iter().map(|(_, of)| of);
        self.types
            .iter()
            .chain(arguments)
            .chain(&self.columns)
            .copied()
            .collect()
    }

    /// Once everything is added.
    pub fn finish(mut self) -> Self {
        if self.takes_rows {
            self.types.append(&mut self.columns);
        }
        self
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn used(text: &str) -> Uses {
        let mut uses = Uses::default();
        uses.scan(text);
        uses.finish()
    }

    #[test]
    fn text_is_made_of_a_value() {
        let uses =
            used("{COERCEVIAIO :arg {VAR :varno 1 :varattno 2 :vartype 2205} :resulttype 25}");
        assert_eq!(uses.types, BTreeSet::from([25, 2205]));
        let uses = used("{AGGREF :aggfnoid 7 :aggtype 114 :aggargtypes (o 23 2205) :args <>}");
        assert_eq!(uses.types, BTreeSet::from([23, 114, 2205]));
    }

    #[test]
    fn a_number_is_compared_and_a_function_may_take_it() {
        let uses = used(
            "{OPEXPR :opno 607 :args ({RELABELTYPE :arg {CONST :consttype 2205} :resulttype 26})}",
        );
        assert_eq!(uses.types, BTreeSet::from([26]));
        let uses = used(
            "{FUNCEXPR :funcid 9 :funcresulttype 20 :args ({CONST :consttype 2205 :constvalue 4 [ 1 0 ]})}",
        );
        assert_eq!(uses.arguments, BTreeSet::from([(9, 2205)]));
        assert_eq!(uses.types, BTreeSet::from([20]));
    }

    #[test]
    fn what_the_caller_passes_is_always_used() {
        let uses = used(
            "{RELABELTYPE :arg {PARAM :paramkind 0 :paramid 1 :paramtype 2205} :resulttype 26}",
        );
        assert_eq!(uses.types, BTreeSet::from([26, 2205]));
    }

    #[test]
    fn a_column_that_is_handed_on_is_used_by_whole_rows() {
        let column = "{TARGETENTRY :expr {VAR :varno 1 :varattno 2 :vartype 2205} :resno 1}";
        assert_eq!(used(column).types, BTreeSet::new());
        let row = format!("({column} {{OPEXPR :args ({{VAR :varattno 0 :vartype 2249}})}})");
        assert_eq!(used(&row).types, BTreeSet::from([2205, 2249]));
    }

    #[test]
    fn text_that_is_no_tree_is_no_error() {
        for text in [
            "",
            "}",
            "{",
            "{}",
            ":vartype",
            "{VAR :vartype",
            "{A :aggargtypes",
        ] {
            used(text);
        }
    }
}
