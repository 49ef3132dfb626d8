//! `ledger_workload()`: what is typically asked of a ledger, as statements to advise for.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::{Failure, OrRaise, required};
use crate::ledger::mapping::Mapping;
use crate::ledger::registry;
use crate::snapshots::guard;
use crate::sql::quote_identifier;
use crate::whole_errors::whole;

#[pg_extern(sql = false)]
fn ledger_workload(ledger: Option<pg_sys::Oid>) -> Vec<String> {
    whole(|| typical_of(ledger).or_raise())
}

fn typical_of(ledger: Option<pg_sys::Oid>) -> Result<Vec<String>, Failure> {
    let ledger = registry::get(required(ledger, "ledger")?)?;
    if !guard::may_read(ledger.oid) {
        return Err(Failure::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for ledger {}", ledger.name),
        )
        .hint("Ask the owner of the table for the right to read it."));
    }
    let columns = columns(ledger.oid)?;
    Ok(statements(&ledger.name, &ledger.mapping, &columns))
}

fn columns(relation: pg_sys::Oid) -> Result<Vec<String>, Failure> {
    Ok(Spi::connect(|client| {
        let mut columns = Vec::new();
        for row in client.select(
            "SELECT a.attname::text FROM pg_catalog.pg_attribute a \
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped",
            None,
            &[relation.into()],
        )? {
            columns.extend(row.get::<String>(1)?);
        }
        Ok::<_, pgrx::spi::Error>(columns)
    })?)
}

/// The statements, with parameters numbered anew in each.
fn statements(ledger: &str, mapping: &Mapping, columns: &[String]) -> Vec<String> {
    // A column, bare or quoted already, or an expression.
    let sql = |part: &str| {
        let quoted = quote_identifier(part);
        let is = |text: &str| {
            columns
                .iter()
                .any(|column| quote_identifier(column) == text)
        };
        match (is(&quoted), is(part)) {
            (true, _) => quoted,
            (_, true) => part.to_owned(),
            _ => format!("({part})"),
        }
    };
    let role = |role: &str| {
        mapping
            .keys
            .iter()
            .find(|key| key.role == role)
            .map(|key| sql(&key.column))
    };
    let moved_at = sql(&mapping.moved_at);
    let quantity = sql(&mapping.quantity);
    let tenant = role("tenant");
    let product = role("product");
    let location = role("location");
    let to_location = mapping.to_location.as_deref().map(sql);

    // The conditions of one statement, over equal columns, then the day.
    let asked = |equal: &[&Option<String>], days: usize| {
        let mut conditions: Vec<String> = Vec::new();
        let mut number = 0;
        for column in std::iter::once(&&tenant)
            .chain(equal)
            .filter_map(|c| c.as_ref())
        {
            number += 1;
            conditions.push(format!("{column} = ${number}"));
        }
        for operator in [">=", "<"].into_iter().take(days) {
            number += 1;
            conditions.push(format!("{moved_at} {operator} ${number}"));
        }
        conditions.extend(mapping.filter.as_ref().map(|filter| format!("({filter})")));
        match conditions.len() {
            0 => String::new(),
            _ => format!(" WHERE {}", conditions.join(" AND ")),
        }
    };
    let newest = format!("ORDER BY {moved_at} DESC LIMIT 50");
    let mut statements = Vec::new();
    if let Some(name) = &product {
        statements.push(format!(
            "SELECT * FROM {ledger}{} {newest}",
            asked(&[&product], 0)
        ));
        statements.push(format!(
            "SELECT sum({quantity}) FROM {ledger}{}",
            asked(&[&product], 2)
        ));
        statements.push(format!(
            "SELECT {name}, sum({quantity}) FROM {ledger}{} GROUP BY {name}",
            asked(&[], 1)
        ));
    }
    statements.push(format!("SELECT * FROM {ledger}{} {newest}", asked(&[], 0)));
    if location.is_some() {
        statements.push(format!(
            "SELECT * FROM {ledger}{} {newest}",
            asked(&[&location], 1)
        ));
        if to_location.is_some() {
            statements.push(format!(
                "SELECT * FROM {ledger}{} {newest}",
                asked(&[&location, &to_location], 1)
            ));
        }
    }
    statements
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::ledger::mapping::Key;

    #[test]
    fn parameters_are_numbered_in_each_statement_and_names_are_quoted() {
        let key = |role: &str, column: &str| Key {
            role: role.into(),
            column: column.into(),
            name: column.into(),
            sql_type: "integer".into(),
            equals: "OPERATOR(pg_catalog.=)".into(),
            shape: Default::default(),
        };
        let mapping = Mapping {
            preset: None,
            keys: vec![
                key("tenant", "Tenant"),
                key("product", "product"),
                key("location", "source"),
            ],
            to_location: Some("target".into()),
            by_location: true,
            quantity: "abs(quantity)".into(),
            value: None,
            moved_at: "\"moved_at\"".into(),
            time_zone: "UTC".into(),
            filter: Some("state = 'done'".into()),
        };
        let columns: Vec<String> = ["Tenant", "product", "source", "target", "moved_at"]
            .map(String::from)
            .into();
        let statements = statements("\"s\".\"moves\"", &mapping, &columns);
        assert_eq!(statements.len(), 6);
        assert_eq!(
            statements[1],
            "SELECT sum((abs(quantity))) FROM \"s\".\"moves\" WHERE \"Tenant\" = $1 \
             AND \"product\" = $2 AND \"moved_at\" >= $3 AND \"moved_at\" < $4 \
             AND (state = 'done')"
        );
        assert!(statements[5].contains("\"source\" = $2 AND \"target\" = $3"));
    }
}
