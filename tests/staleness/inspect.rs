//! What lies in Redis or in the tables, seen by one who knows the protocol and nothing of the extension.

use std::collections::HashMap;

use postgres::{Client, Error};
use redis::Connection;
use serde_json::Value;

/// An entry that a reader outside the database would take for good, but for the lease.
#[derive(Debug)]
pub struct ValidEntry {
    pub name: String,
    pub payload: Vec<u8>,
}

/// Name of a key of the extension's own.
pub fn own_name(database: &str, rest: &str) -> String {
    format!("inventory_perf:{{{database}}}:{rest}")
}

pub fn stamp_name(database: &str, kind: &str, name: &str) -> String {
    let kind = if kind == "t" { "tag" } else { "key" };
    own_name(database, &format!("stamp:{kind}:{name}"))
}

/// Every entry in Redis that is valid now.
pub fn valid_entries(redis: &mut Connection, database: &str) -> Vec<ValidEntry> {
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query(redis).expect("KEYS");
    let own = own_name(database, "");
    let query = own_name(database, "query:");
    names
        .into_iter()
        .filter(|name| !name.starts_with(&own) || name.starts_with(&query))
        .filter_map(|name| valid_entry(redis, database, name))
        .collect()
}

fn valid_entry(redis: &mut Connection, database: &str, name: String) -> Option<ValidEntry> {
    let entry: Option<Vec<u8>> = redis::cmd("GET").arg(&name).query(redis).expect("GET");
    let entry = entry?;
    let (header, payload) = parse(&entry)?;
    let stamps = header["s"].as_array()?;
    let mut names = vec![own_name(database, "epoch")];
    let mut expected = vec![header["e"].as_str()?];
    for stamp in stamps {
        names.push(stamp_name(database, stamp[0].as_str()?, stamp[1].as_str()?));
        expected.push(stamp[2].as_str()?);
    }
    let present: Vec<Option<String>> = redis::cmd("MGET").arg(names).query(redis).expect("MGET");
    let is_valid = present
        .iter()
        .map(Option::as_deref)
        .eq(expected.into_iter().map(Some));
    is_valid.then(|| ValidEntry {
        name,
        payload: payload.to_vec(),
    })
}

/// Every entry in the tables of a database that is valid now.
pub fn valid_entries_in_tables(client: &mut Client) -> Result<Vec<ValidEntry>, Error> {
    let Some(row) = client.query_opt("SELECT epoch FROM inventory_perf.cache_state", &[])? else {
        return Ok(Vec::new());
    };
    let epoch: String = row.get(0);
    let stamps: HashMap<String, String> = client
        .query("SELECT name, stamp FROM inventory_perf.cache_stamps", &[])?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let entries = "SELECT name, value FROM inventory_perf.cache_entries
                   WHERE expires_at > clock_timestamp()";
    let entries = client.query(entries, &[])?;
    let valid = entries.iter().filter_map(|row| {
        let (name, entry): (String, Vec<u8>) = (row.get(0), row.get(1));
        let (header, payload) = parse(&entry)?;
        let is_present = |stamp: &Value| {
            let kind = if stamp[0] == "t" { "tag" } else { "key" };
            let present = stamps.get(&format!("{kind}:{}", stamp[1].as_str()?));
            Some(present.map(String::as_str) == stamp[2].as_str())
        };
        let mut stamps = header["s"].as_array()?.iter();
        let is_valid = header["e"].as_str()? == epoch
            && stamps.all(|stamp| is_present(stamp).unwrap_or(false));
        is_valid.then(|| ValidEntry {
            // without what kind of name it is
            name: name.split_once(':').map_or("", |(_, name)| name).to_owned(),
            payload: payload.to_vec(),
        })
    });
    Ok(valid.collect())
}

fn parse(entry: &[u8]) -> Option<(Value, &[u8])> {
    let entry = entry.strip_prefix(b"IPC1 ")?;
    let end = entry.iter().position(|byte| *byte == b'\n')?;
    let header = serde_json::from_slice(&entry[..end]).ok()?;
    Some((header, &entry[end + 1..]))
}
