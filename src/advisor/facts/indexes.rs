//! The indexes that a table has, spelled as candidates are.

use std::ffi::CStr;

use pgrx::pg_sys::Oid;
use pgrx::{IntoDatum, pg_sys};

use super::ExistingIndex;
use crate::advisor::analysis::nodes::{deparsed, elements, is, oids, string};
use crate::advisor::index::{IndexDefinition, IndexKey, KeyExpression, Method, Relation};
use crate::security;
use crate::sql::quote_identifier;

const DESCENDING: i16 = 1;
const NULLS_FIRST: i16 = 2;

/// Those of access methods that the advisor knows.
pub fn load(relation: &Relation) -> Vec<ExistingIndex> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the table stays open, and locked, while its indexes are read.
    unsafe {
        let table = pg_sys::table_open(relation.oid.into(), lock);
        let found = oids(pg_sys::RelationGetIndexList(table))
            .into_iter()
            .filter_map(|index| existing(index, relation))
            .collect();
        pg_sys::table_close(table, lock);
        found
    }
}

unsafe fn existing(oid: Oid, relation: &Relation) -> Option<ExistingIndex> {
    let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
    // SAFETY: the index stays open, and locked, while it is read.
    unsafe {
        let index = pg_sys::index_open(oid, lock);
        let form = &*(*index).rd_index;
        let name = string(pg_sys::get_rel_name(oid)).unwrap_or_default();
        // What is constant in its expressions is worked out to read them.
        let keeper = security::keeper_of(relation.oid.into());
        let read = security::on_behalf_of(keeper, || definition(index, relation));
        let found = read.map(|definition| ExistingIndex {
            name,
            definition,
            unique: form.indisunique,
            valid: form.indisvalid && form.indisready && form.indislive,
            constraint: pg_sys::get_index_constraint(oid) != pg_sys::InvalidOid,
        });
        pg_sys::index_close(index, lock);
        found
    }
}

unsafe fn definition(index: pg_sys::Relation, relation: &Relation) -> Option<IndexDefinition> {
    // SAFETY: arrays of an open index have an element for each key column.
    unsafe {
        let form = &*(*index).rd_index;
        let method = string(pg_sys::get_am_name((*(*index).rd_rel).relam))?;
        let method = Method::from_name(&method)?;
        let table = Oid::from(relation.oid);
        let attributes = form.indkey.values.as_slice(form.indnatts as usize);
        let mut expressions = elements::<pg_sys::Node>(pg_sys::RelationGetIndexExpressions(index));
        let mut keys = Vec::new();
        for (place, attribute) in attributes
            .iter()
            .take(form.indnkeyatts as usize)
            .enumerate()
        {
            let (expression, type_oid, collation) = if *attribute == 0 {
                let node = expressions.next()?;
                let sql = deparsed(node, table, 1);
                (
                    KeyExpression::Expression(sql),
                    pg_sys::exprType(node),
                    pg_sys::exprCollation(node),
                )
            } else {
                let mut type_oid = pg_sys::InvalidOid;
                let mut modifier = 0;
                let mut collation = pg_sys::InvalidOid;
                pg_sys::get_atttypetypmodcoll(
                    table,
                    *attribute,
                    &mut type_oid,
                    &mut modifier,
                    &mut collation,
                );
                let name = string(pg_sys::get_attname(table, *attribute, true))?;
                (KeyExpression::Column(name), type_oid, collation)
            };
            let option = *(*index).rd_indoption.add(place);
            let own_collation = *(*index).rd_indcollation.add(place);
            let key = IndexKey {
                expression,
                opclass: opclass(index, place, type_oid),
                collation: (own_collation != collation && own_collation != pg_sys::InvalidOid)
                    .then(|| collation_name(own_collation)),
                descending: option & DESCENDING != 0,
                nulls_first: Some(option & NULLS_FIRST != 0),
            };
            keys.push(key);
        }
        let include = attributes
            .iter()
            .skip(form.indnkeyatts as usize)
            .filter_map(|attribute| string(pg_sys::get_attname(table, *attribute, true)))
            .collect();
        Some(
            IndexDefinition {
                relation: relation.clone(),
                method,
                keys,
                include,
                predicate: predicate(index, table),
                options: Vec::new(),
            }
            .normalised(),
        )
    }
}

/// The operator class of a key, unless it is the default of its type.
unsafe fn opclass(index: pg_sys::Relation, place: usize, type_oid: Oid) -> Option<String> {
    // SAFETY: the families of an open index; catalog look-ups by value.
    unsafe {
        let method = (*(*index).rd_rel).relam;
        let default = pg_sys::GetDefaultOpClass(type_oid, method);
        let family = *(*index).rd_opfamily.add(place);
        if default != pg_sys::InvalidOid && pg_sys::get_opclass_family(default) == family {
            return None;
        }
        let mut is_null = false;
        let classes = pg_sys::SysCacheGetAttr(
            pg_sys::SysCacheIdentifier::INDEXRELID as i32,
            (*index).rd_indextuple,
            pg_sys::Anum_pg_index_indclass as i16,
            &mut is_null,
        );
        if is_null {
            return None;
        }
        let classes = classes.cast_mut_ptr::<pg_sys::oidvector>();
        let class = *(*classes).values.as_ptr().add(place);
        opclass_name(class)
    }
}

/// As candidates spell it: with its schema, unless it is PostgreSQL's own.
unsafe fn opclass_name(class: Oid) -> Option<String> {
    // SAFETY: the tuple is read before it is released, its names are copied.
    unsafe {
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::CLAOID as i32,
            class.into_datum()?,
        );
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_opclass>();
        let name = CStr::from_ptr(form.opcname.data.as_ptr())
            .to_string_lossy()
            .into_owned();
        let namespace = form.opcnamespace;
        pg_sys::ReleaseSysCache(tuple);
        if namespace == Oid::from(pg_sys::PG_CATALOG_NAMESPACE) {
            return Some(name);
        }
        let schema = string(pg_sys::get_namespace_name(namespace))?;
        Some(format!("{}.{name}", quote_identifier(&schema)))
    }
}

fn collation_name(collation: Oid) -> String {
    // SAFETY: a catalog look-up by value.
    security::with_safe_path(|| unsafe {
        string(pg_sys::generate_collation_name(collation)).unwrap_or_default()
    })
}

/// The clauses of the predicate in one order.
unsafe fn predicate(index: pg_sys::Relation, table: Oid) -> Option<String> {
    // SAFETY: an open index.
    unsafe {
        let mut clauses: Vec<String> =
            elements::<pg_sys::Node>(pg_sys::RelationGetIndexPredicate(index))
                .filter(|clause| !is(*clause, pg_sys::NodeTag::T_Invalid))
                .map(|clause| deparsed(clause, table, 1))
                .collect();
        crate::advisor::candidates::joined(&mut clauses)
    }
}
