//! Which relations a command names, before it begins: those whose place among parts it can change.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::collections::BTreeSet;

use crate::error::Failure;
use crate::{security, versions};

/// Relations by their numbers.
pub type Relations = BTreeSet<u32>;

/// What the command names, found as the command itself is going to find it. What it creates is not there
/// yet, and what is not there is not found.
///
/// # Safety
/// `command` is the node of a complete command.
pub unsafe fn touched(command: *mut pg_sys::Node) -> Result<Relations, Failure> {
    let mut found = Relations::new();
    if command.is_null() {
        return Ok(found);
    }
    // SAFETY: a node's tag says what it is, and the grammar what its lists hold.
    unsafe {
        match (*command).type_ {
            pg_sys::NodeTag::T_CreateStmt => {
                let create = &*command.cast::<pg_sys::CreateStmt>();
                add_all(&mut found, create.inhRelations);
            }
            pg_sys::NodeTag::T_CreateForeignTableStmt => {
                let create = &*command.cast::<pg_sys::CreateForeignTableStmt>();
                add_all(&mut found, create.base.inhRelations);
            }
            pg_sys::NodeTag::T_AlterTableStmt => {
                let alter = &*command.cast::<pg_sys::AlterTableStmt>();
                add(&mut found, alter.relation);
                for part in items::<pg_sys::AlterTableCmd>(alter.cmds) {
                    add(&mut found, other_table(&*part));
                }
            }
            pg_sys::NodeTag::T_RenameStmt => {
                add(&mut found, (*command.cast::<pg_sys::RenameStmt>()).relation);
            }
            pg_sys::NodeTag::T_AlterObjectSchemaStmt => {
                let alter = &*command.cast::<pg_sys::AlterObjectSchemaStmt>();
                add(&mut found, alter.relation);
            }
            pg_sys::NodeTag::T_DropStmt => {
                let drop = &*command.cast::<pg_sys::DropStmt>();
                if drop.removeType == pg_sys::ObjectType::OBJECT_SCHEMA {
                    let schemas = items::<pg_sys::Node>(drop.objects)
                        .map(|name| pg_sys::get_namespace_oid(versions::string_of(name), true));
                    add_where(&mut found, IN_SCHEMAS, schemas.collect())?;
                } else {
                    for names in items::<pg_sys::List>(drop.objects) {
                        add(&mut found, pg_sys::makeRangeVarFromNameList(names));
                    }
                }
            }
            pg_sys::NodeTag::T_DropOwnedStmt => {
                let roles = (*command.cast::<pg_sys::DropOwnedStmt>()).roles;
                let roles = pg_sys::roleSpecsToIds(roles);
                let count = if roles.is_null() { 0 } else { (*roles).length };
                let roles = (0..count as usize).map(|n| (*(*roles).elements.add(n)).oid_value);
                add_where(&mut found, OF_OWNERS, roles.collect())?;
            }
            _ => {}
        }
    }
    Ok(found)
}

const IN_SCHEMAS: &str = "SELECT d.objid FROM pg_catalog.pg_depend d \
     WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
       AND d.refobjid = ANY ($1) AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass";
const OF_OWNERS: &str = "SELECT c.oid FROM pg_catalog.pg_class c \
     WHERE c.relowner = ANY ($1) AND c.relkind IN ('r', 'p', 'f')";

/// The table that is to become a part, or to be none any more, or its parent.
unsafe fn other_table(alter: &pg_sys::AlterTableCmd) -> *mut pg_sys::RangeVar {
    use pg_sys::AlterTableType as Kind;
    // SAFETY: what the grammar puts there for these commands.
    unsafe {
        match alter.subtype {
            Kind::AT_AttachPartition
            | Kind::AT_DetachPartition
            | Kind::AT_DetachPartitionFinalize => (*alter.def.cast::<pg_sys::PartitionCmd>()).name,
            Kind::AT_AddInherit | Kind::AT_DropInherit => alter.def.cast(),
            _ => std::ptr::null_mut(),
        }
    }
}

/// Looks a name up without asking for rights, as the command has its own errors to raise. Temporary
/// tables are none that are watched.
unsafe fn add(found: &mut Relations, name: *mut pg_sys::RangeVar) {
    if name.is_null() {
        return;
    }
    // SAFETY: a name of the command; the look-ups give 0 for what is not there.
    let relation = unsafe {
        if (*name).schemaname.is_null() {
            pg_sys::RelnameGetRelid((*name).relname)
        } else {
            let schema = pg_sys::get_namespace_oid((*name).schemaname, true);
            pg_sys::get_relname_relid((*name).relname, schema)
        }
    };
    if relation != pg_sys::InvalidOid {
        found.insert(relation.to_u32());
    }
}

unsafe fn add_all(found: &mut Relations, names: *mut pg_sys::List) {
    // SAFETY: as the caller's.
    unsafe {
        for name in items::<pg_sys::RangeVar>(names) {
            add(found, name);
        }
    }
}

fn add_where(found: &mut Relations, query: &str, of: Vec<pg_sys::Oid>) -> Result<(), Failure> {
    security::run_as(security::extension_owner()?, || {
        Spi::connect(|client| {
            for row in client.select(query, None, &[of.into()])? {
                found.extend(row.get::<pg_sys::Oid>(1)?.map(pg_sys::Oid::to_u32));
            }
            Ok(())
        })
    })
}

unsafe fn items<T>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: a list, or NULL, of pointers.
    let count = if list.is_null() {
        0
    } else {
        unsafe { (*list).length }
    };
    // SAFETY: below the list's length.
    (0..count as usize).map(move |n| unsafe { (*(*list).elements.add(n)).ptr_value.cast() })
}
