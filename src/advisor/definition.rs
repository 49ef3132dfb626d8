//! Index definitions from CREATE INDEX statements that a caller wrote.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::CString;

use super::analysis::nodes;
use super::index::{IndexDefinition, IndexKey, KeyExpression, Method, Relation};
use super::subtransaction::rolled_back;
use crate::error::Failure;
use crate::security;
use crate::sql::quote_identifier;
use crate::versions;

unsafe extern "C-unwind" {
    /// PostgreSQL's analysis of CREATE INDEX.
    fn transformIndexStmt(
        relation: pg_sys::Oid,
        statement: *mut pg_sys::IndexStmt,
        text: *const std::ffi::c_char,
    ) -> *mut pg_sys::IndexStmt;
}

/// What a statement says, and the name that it gives.
pub fn parse(ddl: &str) -> Result<(IndexDefinition, Option<String>), Failure> {
    let text = CString::new(ddl).map_err(|_| not_an_index())?;
    // SAFETY: the trees do not leave the subtransaction.
    let parsed = rolled_back(|| unsafe { read(&text) });
    parsed.map_err(Failure::from)?
}

fn not_an_index() -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        "it is not one CREATE INDEX statement",
    )
    .hint("Pass one CREATE INDEX statement per element.")
}

fn unsupported(what: &str) -> Failure {
    Failure::new(
        PgSqlErrorCode::ERRCODE_FEATURE_NOT_SUPPORTED,
        format!("{what} cannot be costed"),
    )
    .hint("hypopg costs B-tree, hash and BRIN indexes.")
}

/// # Safety
/// A transaction is there.
unsafe fn read(text: &CString) -> Result<(IndexDefinition, Option<String>), Failure> {
    // SAFETY: what the parser returns is read as its tags say.
    unsafe {
        let parsed = pg_sys::pg_parse_query(text.as_ptr());
        let statements: Vec<*mut pg_sys::RawStmt> = nodes::elements(parsed).collect();
        let [only] = statements.as_slice() else {
            return Err(not_an_index());
        };
        if !nodes::is((**only).stmt, pg_sys::NodeTag::T_IndexStmt) {
            return Err(not_an_index());
        }
        let raw: *mut pg_sys::IndexStmt = (**only).stmt.cast();
        let oid = pg_sys::RangeVarGetRelidExtended(
            (*raw).relation,
            pg_sys::AccessShareLock as i32,
            0,
            None,
            std::ptr::null_mut(),
        );
        let kind = pg_sys::get_rel_relkind(oid) as u8;
        if ![
            pg_sys::RELKIND_RELATION,
            pg_sys::RELKIND_PARTITIONED_TABLE,
            pg_sys::RELKIND_MATVIEW,
        ]
        .contains(&kind)
        {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_WRONG_OBJECT_TYPE,
                "its relation is not a table",
            )
            .hint("Pass indexes of tables, partitioned tables or materialized views."));
        }
        let statement = security::on_behalf_of(security::keeper_of(oid), || {
            pg_sys::ffi::pg_guard_ffi_boundary(|| transformIndexStmt(oid, raw, text.as_ptr()))
        });
        let method = nodes::string((*statement).accessMethod).unwrap_or_default();
        let method = Method::from_name(&method)
            .filter(|method| matches!(method, Method::Btree | Method::Hash | Method::Brin))
            .ok_or_else(|| unsupported(&format!("an index of method \"{method}\"")))?;
        for list in [(*statement).indexParams, (*statement).indexIncludingParams] {
            check_columns(list, oid)?;
        }
        let keys: Vec<IndexKey> = nodes::elements((*statement).indexParams)
            .map(|element| key(element, oid))
            .collect();
        let include = nodes::elements::<pg_sys::IndexElem>((*statement).indexIncludingParams)
            .filter_map(|element| nodes::string((*element).name))
            .collect();
        let predicate = (!(*statement).whereClause.is_null())
            .then(|| nodes::deparsed((*statement).whereClause, oid, 1));
        let options = nodes::elements::<pg_sys::DefElem>((*statement).options)
            .map(|option| {
                (
                    nodes::string((*option).defname).unwrap_or_default(),
                    nodes::string(pg_sys::defGetString(option)).unwrap_or_default(),
                )
            })
            .collect();
        let definition = IndexDefinition {
            relation: Relation {
                oid: oid.to_u32(),
                schema: nodes::string(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid)))
                    .unwrap_or_default(),
                name: nodes::string(pg_sys::get_rel_name(oid)).unwrap_or_default(),
            },
            method,
            keys,
            include,
            predicate,
            options,
        };
        Ok((definition.normalised(), nodes::string((*raw).idxname)))
    }
}

/// # Safety
/// `list` holds elements of an index of the relation.
unsafe fn check_columns(list: *mut pg_sys::List, relation: pg_sys::Oid) -> Result<(), Failure> {
    // SAFETY: as the caller promises; a catalog look-up by name.
    unsafe {
        for element in nodes::elements::<pg_sys::IndexElem>(list) {
            let Some(column) = nodes::string((*element).name) else {
                continue;
            };
            if pg_sys::get_attnum(relation, (*element).name) == 0 {
                let table = nodes::string(pg_sys::get_rel_name(relation)).unwrap_or_default();
                return Err(Failure::new(
                    PgSqlErrorCode::ERRCODE_UNDEFINED_COLUMN,
                    format!("column \"{column}\" of relation \"{table}\" does not exist"),
                )
                .hint("Name columns of the table, or write an expression in parentheses."));
            }
        }
    }
    Ok(())
}

/// # Safety
/// `element` is analysed, of an index of the relation.
unsafe fn key(element: *mut pg_sys::IndexElem, relation: pg_sys::Oid) -> IndexKey {
    // SAFETY: as the caller promises.
    unsafe {
        let expression = match nodes::string((*element).name) {
            Some(column) => KeyExpression::Column(column),
            None => KeyExpression::Expression(nodes::deparsed((*element).expr, relation, 1)),
        };
        let descending = (*element).ordering == pg_sys::SortByDir::SORTBY_DESC;
        IndexKey {
            expression,
            opclass: qualified_name((*element).opclass),
            collation: qualified_name((*element).collation),
            descending,
            nulls_first: match (*element).nulls_ordering {
                pg_sys::SortByNulls::SORTBY_NULLS_FIRST => Some(true),
                pg_sys::SortByNulls::SORTBY_NULLS_LAST => Some(false),
                _ => None,
            },
        }
    }
}

/// # Safety
/// `names` is a list of strings, or null.
unsafe fn qualified_name(names: *mut pg_sys::List) -> Option<String> {
    // SAFETY: as the caller promises.
    let parts: Vec<String> = unsafe {
        nodes::elements::<pg_sys::Node>(names)
            .filter_map(|name| nodes::string(versions::string_of(name)))
            .map(|name| quote_identifier(&name))
            .collect()
    };
    (!parts.is_empty()).then(|| parts.join("."))
}
