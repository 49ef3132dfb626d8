//! Reading samples, with the rights of the caller.

use pgrx::pg_sys;
use pgrx::prelude::*;
use pgrx::{varatt_is_1b_e, varatt_is_4b_u, varlena_to_byte_slice, varsize_any};
use std::collections::hash_map::{DefaultHasher, Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::hash::Hasher;

use super::{LONGEST_SHORT, Sample, Seen, Values, wanted};
use crate::advisor::analysis::nodes;
use crate::advisor::facts::{TableFacts, TableKind};
use crate::advisor::index::{IndexDefinition, IndexKey, KeyExpression, Method};
use crate::advisor::layout::Layout;
use crate::advisor::sizing;
use crate::advisor::subtransaction::rolled_back;
use crate::sql::quote_identifier;
use crate::{executor, security, versions};

/// Of one table, blocks and rows that are read at most.
const BLOCKS: f64 = 300.0;
const ROWS: f64 = 30_000.0;
/// Columns and expressions that are read in one call at most: each is a pass over the blocks, and
/// stays in memory.
const READ: usize = 256;
/// Objects from this OID on are none of PostgreSQL's own.
const FIRST_OF_USERS: u32 = 16_384;
/// The columns of the query before those that are wanted.
const PLACE: usize = 2;

/// The samples of a call, each read when it is first needed.
#[derive(Default)]
pub struct Samples {
    tables: BTreeMap<u32, Option<Table>>,
    read: usize,
}

#[derive(Default)]
struct Table {
    sample: Sample,
    /// Of a row, by table (or partition), block and place in it.
    rows: HashMap<(u32, u32, u16), usize>,
    blocks: HashMap<(u32, u32), u32>,
    /// Of a key, and a predicate.
    alone: HashMap<(String, Option<String>), f64>,
}

impl Samples {
    /// What a sample shows of the index. `None` where statistics say as much, or where no sample can
    /// be had.
    pub fn seen(&mut self, definition: &IndexDefinition, table: &TableFacts) -> Option<Seen> {
        if definition.method != Method::Btree || !sizing::gains_by_sample(definition, table) {
            return None;
        }
        let keys: Vec<String> = definition.keys.iter().map(text).collect();
        let include: Vec<String> = definition
            .include
            .iter()
            .map(|name| quote_identifier(name))
            .collect();
        let predicate = definition.predicate.as_ref();
        let wanted = wanted(&keys, &include, predicate);
        let known = match self.tables.entry(table.relation.oid) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(is_open(table).then(Table::default))
            }
        }
        .as_mut()?;
        let columns: Vec<String> = wanted
            .into_iter()
            .filter(|text| !known.sample.values.contains_key(text))
            .collect();
        if !columns.is_empty() {
            if self.read + columns.len() > READ {
                return None;
            }
            self.read += columns.len();
            known.read(columns, table);
        }
        let mut seen = known.sample.seen(&keys, &include, predicate)?;
        if keys.len() > 1 && seen.groups.is_none() {
            seen.alone = known.alone(&keys, predicate);
        }
        Some(seen)
    }
}

fn text(key: &IndexKey) -> String {
    match &key.expression {
        KeyExpression::Column(name) => quote_identifier(name),
        KeyExpression::Expression(sql) => sql.clone(),
    }
}

fn is_open(table: &TableFacts) -> bool {
    let asked = security::with_safe_path(|| {
        rolled_back(|| {
            Spi::connect(|client| {
                client
                    .select(
                        include_str!("../../../sql/advisor/table_sampled.sql"),
                        Some(1),
                        &[pg_sys::Oid::from(table.relation.oid).into()],
                    )?
                    .first()
                    .get_one::<bool>()
            })
        })
    });
    matches!(asked, Ok(Ok(Some(true)))) && table.pages >= 1.0
}

impl Table {
    /// Reads what is wanted of the same blocks as before. What cannot be read is not tried again.
    fn read(&mut self, wanted: Vec<String>, table: &TableFacts) {
        let columns = quoted_columns(table);
        let (allowed, refused): (Vec<String>, Vec<String>) = wanted
            .into_iter()
            .partition(|text| columns.contains(text) || is_plain(text, table));
        let mut values = BTreeMap::new();
        for text in refused {
            values.insert(text, None);
        }
        // One that fails, for a division by zero or a lack of rights, must not spoil the others.
        let together = self.select(&allowed, table);
        match together {
            Some(read) => values.extend(allowed.into_iter().zip(read.into_iter().map(Some))),
            None => {
                for text in allowed {
                    let read = self.select(std::slice::from_ref(&text), table);
                    values.insert(text, read.and_then(|mut read| read.pop()));
                }
            }
        }
        self.sample.values.append(&mut values);
    }

    /// How many values each key has by itself.
    fn alone(&mut self, keys: &[String], predicate: Option<&String>) -> Vec<f64> {
        let sample = &self.sample;
        keys.iter()
            .map(|key| {
                let known = self.alone.entry((key.clone(), predicate.cloned()));
                *known.or_insert_with(|| sample.distinct(key, predicate).unwrap_or_default())
            })
            .collect()
    }

    fn select(&mut self, columns: &[String], table: &TableFacts) -> Option<Vec<Values>> {
        let density = (table.rows / table.pages).max(1.0);
        let blocks = (ROWS / density).clamp(1.0, BLOCKS);
        self.sample.whole = table.pages <= blocks;
        let percent = (100.0 * blocks / table.pages).min(100.0);
        let only = match table.kind {
            TableKind::Partitioned => "",
            TableKind::Table | TableKind::MaterializedView => "ONLY ",
        };
        let listed: Vec<String> = columns
            .iter()
            .map(|column| format!(", ({column})"))
            .collect();
        let query = format!(
            "SELECT tableoid, ctid{} FROM {only}{} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)",
            listed.concat(),
            table.relation.qualified(),
        );
        let mut read: Vec<(Layout, Values)> = Vec::new();
        let outcome = security::with_safe_path(|| {
            rolled_back(|| {
                executor::for_each_row(&query, |slot| {
                    // SAFETY: a slot of this query, whose first columns are an OID and a TID.
                    unsafe { self.take(slot, columns.len(), &mut read) }
                })
            })
        });
        // Without a row, nothing says what the columns are.
        matches!(outcome, Ok(Ok(()))).then(|| {
            let mut read = read.into_iter().map(|(_, values)| values);
            columns
                .iter()
                .map(|_| read.next().unwrap_or_default())
                .collect()
        })
    }

    /// # Safety
    /// The slot has the columns of `select`'s query.
    unsafe fn take(
        &mut self,
        slot: *mut pg_sys::TupleTableSlot,
        count: usize,
        read: &mut Vec<(Layout, Values)>,
    ) {
        // SAFETY: as the caller promises; every attribute is made before it is looked at.
        unsafe {
            pg_sys::slot_getallattrs(slot);
            let values = std::slice::from_raw_parts((*slot).tts_values, PLACE + count);
            let nulls = std::slice::from_raw_parts((*slot).tts_isnull, PLACE + count);
            let row = self.row(values);
            for column in 0..count {
                if read.len() <= column {
                    let place = (PLACE + column + 1) as i32;
                    let type_oid = pg_sys::SPI_gettypeid((*slot).tts_tupleDescriptor, place);
                    let layout = Layout::of(pg_sys::getBaseType(type_oid).to_u32());
                    read.push((layout, Values::new(&layout)));
                }
                let (layout, _) = &read[column];
                if !nulls[PLACE + column] {
                    let (image, width) = stored(values[PLACE + column], layout);
                    read[column].1.set(row, image, width);
                }
            }
        }
    }

    /// The number of a row, a new one the first time.
    ///
    /// # Safety
    /// `values` begins with an OID and a TID.
    unsafe fn row(&mut self, values: &[pg_sys::Datum]) -> usize {
        // SAFETY: as the caller promises.
        let (block, offset) = unsafe {
            let tid = *values[1].cast_mut_ptr::<pg_sys::ItemPointerData>();
            (
                u32::from(tid.ip_blkid.bi_hi) << 16 | u32::from(tid.ip_blkid.bi_lo),
                tid.ip_posid,
            )
        };
        let table = values[0].value() as u32;
        let number = self.blocks.len() as u32;
        let number = *self.blocks.entry((table, block)).or_insert(number);
        match self.rows.entry((table, block, offset)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                self.sample.blocks.push(number);
                *new.insert(self.sample.blocks.len() - 1)
            }
        }
    }
}

fn quoted_columns(table: &TableFacts) -> BTreeSet<String> {
    table
        .columns
        .iter()
        .map(|column| quote_identifier(&column.name))
        .collect()
}

/// One number for the bytes of a value, and how many of them an index stores.
///
/// # Safety
/// A value that is not NULL, of a type with this layout.
unsafe fn stored(value: pg_sys::Datum, layout: &Layout) -> (u64, usize) {
    let mut hasher = DefaultHasher::new();
    if layout.by_value {
        return (value.value() as u64, layout.length as usize);
    }
    // SAFETY: as the caller promises; what is stored out of line is not fetched.
    let width = unsafe {
        match layout.length {
            -1 => {
                let pointer = value.cast_mut_ptr::<pg_sys::varlena>();
                if varatt_is_1b_e(pointer) {
                    let bytes = pg_sys::toast_datum_size(value);
                    hasher.write_usize(pointer as usize);
                    hasher.write_usize(bytes);
                    bytes + size_of::<u32>()
                } else {
                    hasher.write(varlena_to_byte_slice(pointer));
                    let bytes = varsize_any(pointer);
                    // It becomes short where it can.
                    let short = bytes - (size_of::<u32>() - 1);
                    if varatt_is_4b_u(pointer) && short <= LONGEST_SHORT {
                        short
                    } else {
                        bytes
                    }
                }
            }
            -2 => {
                let text = std::ffi::CStr::from_ptr(value.cast_mut_ptr::<std::ffi::c_char>());
                hasher.write(text.to_bytes());
                text.to_bytes_with_nul().len()
            }
            length => {
                let bytes = std::slice::from_raw_parts(value.cast_mut_ptr::<u8>(), length as usize);
                hasher.write(bytes);
                length as usize
            }
        }
    };
    (hasher.finish(), width)
}

/// Whether an expression, which somebody put into a statement, calls nothing but what comes with
/// PostgreSQL and always gives the same. Only this is worked out with the caller's rights.
fn is_plain(expression: &str, table: &TableFacts) -> bool {
    let query = format!("SELECT ({expression}) FROM {}", table.relation.qualified());
    let Ok(query) = CString::new(query) else {
        return false;
    };
    let checked = security::with_safe_path(|| {
        rolled_back(|| {
            // SAFETY: the trees do not leave the subtransaction; targets are read as such.
            unsafe {
                let parsed = pg_sys::pg_parse_query(query.as_ptr());
                let statements: Vec<*mut pg_sys::RawStmt> = nodes::elements(parsed).collect();
                let [only] = statements.as_slice() else {
                    return false;
                };
                let analysed = versions::analyse_fixed(*only, &query, &mut []);
                let mut targets = nodes::elements::<pg_sys::Query>(analysed)
                    .flat_map(|query| nodes::elements::<pg_sys::TargetEntry>((*query).targetList));
                let (Some(target), None) = (targets.next(), targets.next()) else {
                    return false;
                };
                let node: *mut pg_sys::Node = (*target).expr.cast();
                let notation = nodes::string(pg_sys::nodeToString(node.cast()));
                !pg_sys::contain_mutable_functions(node)
                    && !pg_sys::expression_returns_set(node)
                    && nodes::stands_alone(node)
                    && notation.is_some_and(|notation| is_of_the_server(&notation, is_enum))
            }
        })
    });
    checked.unwrap_or(false)
}

/// Whether every function, operator and type in the text form of an expression is PostgreSQL's own,
/// or a type that has none of its own functions.
fn is_of_the_server(notation: &str, harmless: impl Fn(u32) -> bool) -> bool {
    let words: Vec<&str> = notation
        .split(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | '{' | '}'))
        .filter(|word| !word.is_empty())
        .collect();
    // It names its operators in a list.
    !words.contains(&"ROWCOMPAREEXPR")
        && words.windows(2).all(|pair| {
            let Some(oid) = pair[1]
                .parse::<u32>()
                .ok()
                .filter(|oid| *oid >= FIRST_OF_USERS)
            else {
                return true;
            };
            let field = pair[0];
            let is_type = field.contains("type");
            let named = field.starts_with(':')
                && (is_type
                    || ["func", "opno", "fn"]
                        .iter()
                        .any(|part| field.contains(part)));
            !named || is_type && harmless(oid)
        })
}

/// Enumerations, and arrays of them, have the functions of the server.
fn is_enum(type_oid: u32) -> bool {
    // SAFETY: catalog look-ups by value.
    unsafe {
        let element = pg_sys::get_base_element_type(type_oid.into());
        let type_oid = if element == pg_sys::InvalidOid {
            type_oid.into()
        } else {
            element
        };
        pg_sys::get_typtype(type_oid) as u8 == pg_sys::TYPTYPE_ENUM
    }
}

#[cfg(test)]
mod unit {
    use super::is_of_the_server;

    #[test]
    fn what_users_made_is_told_from_what_the_server_has() {
        let plain = |notation: &str| is_of_the_server(notation, |oid| oid == 20_001);
        assert!(plain(
            "{OPEXPR :opno 98 :opfuncid 67 :opresulttype 16 :args ({VAR :varno 1 :varattno 3 :vartype 25})}"
        ));
        assert!(plain(
            "{CONST :consttype 23 :constvalue 4 [ 99 99 1 0 ] :location 20000}"
        ));
        assert!(plain("{OPEXPR :opno 3516 :args ({VAR :vartype 20001})}"));
        for users in [
            "{FUNCEXPR :funcid 20001 :funcresulttype 23}",
            "{OPEXPR :opno 20000 :opfuncid 0}",
            "{COERCEVIAIO :arg {VAR :vartype 20000} :resulttype 25}",
            "{COERCETODOMAIN :resulttype 20000}",
            "{ROWCOMPAREEXPR :opnos (o 20000)}",
        ] {
            assert!(!plain(users), "{users}");
        }
    }
}
