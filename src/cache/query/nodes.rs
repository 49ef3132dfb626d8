//! What a query or a plan mentions, read from PostgreSQL's own text form of node trees.
//!
//! PostgreSQL has no walker over finished plans that an extension could call, but it writes every
//! node out. A name in the text is escaped so that it cannot look like the structure around it; if
//! something is taken for a function that is none, the query depends on more, never on less.

use std::collections::{BTreeMap, BTreeSet};

/// The first argument of a function call, where it is a constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirstArgument {
    Constant(Vec<u8>),
    Other,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Functions that are called, each with the first arguments it is called with.
    pub functions: BTreeMap<u32, BTreeSet<FirstArgument>>,
    pub operators: BTreeSet<u32>,
    /// CURRENT_DATE, or text that becomes a day, as 'today' does
    pub on_date: bool,
    /// CURRENT_TIMESTAMP and its kin
    pub on_time: bool,
    /// CURRENT_SCHEMA
    pub on_schema: bool,
    /// A sample of a table, or the next value of a sequence.
    pub at_random: bool,
}

/// Fields that hold the OID of a function.
const FUNCTION_FIELDS: [&str; 6] = [
    ":funcid",
    ":opfuncid",
    ":hashfuncid",
    ":negfuncid",
    ":aggfnoid",
    ":winfnoid",
];

/// Numbers of PostgreSQL's SQLValueFunctionOp.
const CURRENT_DATE: u32 = 0;
const LAST_TIME: u32 = 8;
const CURRENT_SCHEMA: u32 = 14;

/// date, timestamp and timestamptz
const DAYS: [u32; 3] = [1082, 1114, 1184];

/// Adds what the text of a node tree mentions.
pub fn scan(text: &str, mentions: &mut Mentions) {
    let tokens: Vec<&str> = Tokens(text).collect();
    for (index, token) in tokens.iter().enumerate() {
        let number = || tokens.get(index + 1).and_then(|next| next.parse().ok());
        match *token {
            ":opno" => mentions.operators.extend(number()),
            ":opnos" => mentions.operators.extend(
                tokens[index + 1..]
                    .iter()
                    .skip(2)
                    .map_while(|operator| operator.parse::<u32>().ok()),
            ),
            ":resulttype" => {
                mentions.on_date |= number().is_some_and(|result| DAYS.contains(&result));
            }
            "SQLVALUEFUNCTION" => {
                let operation = tokens.get(index + 2).and_then(|next| next.parse().ok());
                match operation {
                    Some(CURRENT_DATE) => mentions.on_date = true,
                    Some(CURRENT_SCHEMA) => mentions.on_schema = true,
                    Some(operation) if operation > LAST_TIME => {}
                    _ => mentions.on_time = true,
                }
            }
            "TABLESAMPLECLAUSE" | "NEXTVALUEEXPR" => mentions.at_random = true,
            field if FUNCTION_FIELDS.contains(&field) => {
                if let Some(function) = number().filter(|function| *function != 0) {
                    let arguments = mentions.functions.entry(function).or_default();
                    if field == ":funcid" {
                        arguments.insert(first_argument(&tokens[index..]));
                    }
                }
            }
            _ => {}
        }
    }
}

/// The constant that the arguments of a function call begin with.
fn first_argument(call: &[&str]) -> FirstArgument {
    // The fields of a call before its arguments are few.
    let constant = call
        .iter()
        .take(32)
        .position(|token| *token == ":args")
        .map(|arguments| &call[arguments + 1..])
        .filter(|arguments| arguments.starts_with(&["(", "{", "CONST"]))
        .and_then(|arguments| {
            let value = arguments.iter().position(|token| *token == ":constvalue")?;
            let end = arguments.iter().position(|token| *token == "}")?;
            let bytes = arguments.get(value + 3..end.checked_sub(1)?)?;
            bytes
                .iter()
                // PostgreSQL writes them as signed numbers.
                .map(|byte| byte.parse::<i16>().ok().map(|byte| byte as u8))
                .collect::<Option<Vec<u8>>>()
        });
    match constant {
        Some(bytes) => FirstArgument::Constant(bytes),
        None => FirstArgument::Other,
    }
}

/// The text in a constant of type text, as it lies in memory.
pub fn text_of(constant: &[u8]) -> Option<&str> {
    let first = *constant.first()?;
    let little_endian = cfg!(target_endian = "little");
    let is_short = if little_endian {
        first & 1 == 1
    } else {
        first & 0x80 != 0
    };
    let text = constant.get(if is_short { 1 } else { 4 }..)?;
    std::str::from_utf8(text).ok()
}

/// The OID in a constant that is one.
pub fn oid_of(constant: &[u8]) -> Option<u32> {
    let word: [u8; 8] = constant.try_into().ok()?;
    u32::try_from(u64::from_ne_bytes(word)).ok()
}

/// Words and single brackets; a backslash takes the next character along.
#[derive(Clone)]
pub struct Tokens<'a>(pub &'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0.trim_start_matches([' ', '\n', '\t']);
        let first = rest.chars().next()?;
        let mut end = first.len_utf8();
        if !is_bracket(first) {
            let mut escaped = first == '\\';
            for character in rest[end..].chars() {
                if !escaped && (is_bracket(character) || matches!(character, ' ' | '\n' | '\t')) {
                    break;
                }
                escaped = character == '\\' && !escaped;
                end += character.len_utf8();
            }
        }
        self.0 = &rest[end..];
        Some(&rest[..end])
    }
}

fn is_bracket(character: char) -> bool {
    matches!(character, '(' | ')' | '{' | '}' | '[' | ']')
}

#[cfg(test)]
mod unit {
    use super::*;

    fn mentioned(text: &str) -> Mentions {
        let mut mentions = Mentions::default();
        scan(text, &mut mentions);
        mentions
    }

    #[test]
    fn functions_and_operators_are_found_wherever_they_are() {
        let found = mentioned(
            "{OPEXPR :opno 96 :opfuncid 65 :args ({FUNCEXPR :funcid 1397 :funcresulttype 23 \
             :args ({VAR :varno 1}) :location 7})} {AGGREF :aggfnoid 2108 :x 1} {WINDOWFUNC \
             :winfnoid 3100} {ROWCOMPAREEXPR :rctype 1 :opnos (o 97 521) :opfamilies (o 1976)}",
        );
        assert_eq!(
            found.functions.keys().copied().collect::<Vec<_>>(),
            [65, 1397, 2108, 3100]
        );
        assert_eq!(
            found.operators.into_iter().collect::<Vec<_>>(),
            [96, 97, 521]
        );
    }

    #[test]
    fn the_first_argument_is_read_only_if_it_is_a_constant() {
        let call = |arguments: &str| {
            let text = format!(
                "{{FUNCEXPR :funcid 2077 :funcresulttype 25 :funcretset false :args {arguments}}}"
            );
            mentioned(&text).functions.remove(&2077).unwrap()
        };
        let constant = "({CONST :consttype 25 :constlen -1 :constbyval false :constisnull false \
                        :location 9 :constvalue 7 [ 28 0 0 0 97 46 98 ]} {VAR :varno 1})";
        let expected = vec![28, 0, 0, 0, b'a', b'.', b'b'];
        assert_eq!(
            call(constant),
            BTreeSet::from([FirstArgument::Constant(expected.clone())])
        );
        assert_eq!(text_of(&expected), Some("a.b"));
        for other in [
            "({PARAM :paramkind 0 :paramid 1})",
            "<>",
            "({CONST :consttype 25 :constisnull true :constvalue <>})",
            "({VAR :varno 1} {CONST :constvalue 1 [ 28 ]})",
        ] {
            assert_eq!(
                call(other),
                BTreeSet::from([FirstArgument::Other]),
                "{other}"
            );
        }
    }

    #[test]
    fn bytes_are_signed() {
        let text = "{FUNCEXPR :funcid 7 :args ({CONST :constvalue 8 [ -1 64 0 0 0 0 0 0 ]})}";
        let arguments = mentioned(text).functions.remove(&7).unwrap();
        let Some(FirstArgument::Constant(bytes)) = arguments.first() else {
            panic!("{arguments:?}");
        };
        assert_eq!(oid_of(bytes), Some(16639));
    }

    #[test]
    fn names_do_not_pass_for_structure() {
        let found = mentioned("{ALIAS :aliasname a\\ :funcid\\ 12\\(\\} :colnames (\":opno\")}");
        assert_eq!(found, Mentions::default());
    }

    #[test]
    fn what_depends_on_the_clock_or_on_chance() {
        let value =
            |operation: u32| mentioned(&format!("{{SQLVALUEFUNCTION :op {operation} :type 1}}"));
        assert!(value(0).on_date && !value(0).on_time);
        assert!((1..=8).all(|operation| value(operation).on_time));
        assert_eq!(value(10), Mentions::default());
        assert!(value(14).on_schema);
        let cast = |result: u32| {
            let text = format!("{{COERCEVIAIO :arg {{VAR :varno 1}} :resulttype {result}}}");
            mentioned(&text).on_date
        };
        assert!(cast(1082) && cast(1184) && !cast(23));
        assert!(mentioned("{TABLESAMPLECLAUSE :tsmhandler 3313 :args <>}").at_random);
        assert!(mentioned("{NEXTVALUEEXPR :seqid 1}").at_random);
    }

    #[test]
    fn text_that_is_no_tree_is_no_error() {
        for text in [
            "",
            ":funcid",
            ":funcid x",
            "{SQLVALUEFUNCTION",
            "\\",
            ":opnos",
            ":args (",
        ] {
            mentioned(text);
        }
        assert_eq!(text_of(&[]), None);
        assert_eq!(oid_of(&[1, 2]), None);
    }
}
