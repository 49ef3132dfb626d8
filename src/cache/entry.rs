//! The format of entries, version 1: `IPC1 {header}\n<payload>`. Other programs read it:
//! docs/cache-protocol.md. Whatever is not that is no entry, and never an error.

pub mod json;
mod msgpack;

use serde::{Deserialize, Serialize};

use super::names::StampName;
use crate::settings::CacheFormat;

const MAGIC: &[u8] = b"IPC1 ";
const MAX_HEADER: usize = 256 * 1024;
const LZ4: &str = "lz4";

/// What a value was computed from, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub epoch: String,
    pub stamps: Vec<(StampName, String)>,
    /// Milliseconds since 1970.
    pub created: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Layout {
    pub format: CacheFormat,
    /// From this size on payloads are compressed.
    pub compress_from: Option<usize>,
    /// Neither an entry nor its JSON text is larger.
    pub limit: usize,
}

#[derive(Serialize, Deserialize)]
struct Header {
    e: String,
    s: Vec<(String, String, String)>,
    c: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    z: Option<String>,
    n: u64,
    h: u32,
    t: u64,
}

/// An entry whose header makes sense.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub origin: Origin,
    format: CacheFormat,
    is_compressed: bool,
    raw_length: u64,
    checksum: u32,
    payload: &'a [u8],
}

fn format_name(format: CacheFormat) -> &'static str {
    match format {
        CacheFormat::MessagePack => "msgpack",
        CacheFormat::Json => "json",
    }
}

/// None for a value that is too large or too deep to be stored.
pub fn encode(origin: &Origin, json: &str, layout: &Layout) -> Option<Vec<u8>> {
    if json.len() > layout.limit {
        return None;
    }
    let raw = match layout.format {
        CacheFormat::MessagePack => msgpack::from_json(json)?,
        CacheFormat::Json if json::is_valid(json) => json.as_bytes().to_vec(),
        CacheFormat::Json => return None,
    };
    let compressed = layout
        .compress_from
        .filter(|from| raw.len() >= *from)
        .map(|_| lz4_flex::block::compress(&raw))
        .filter(|compressed| compressed.len() < raw.len());
    let is_compressed = compressed.is_some();
    let raw_length = raw.len() as u64;
    let payload = compressed.unwrap_or(raw);
    let header = Header {
        e: origin.epoch.clone(),
        s: origin
            .stamps
            .iter()
            .map(|(name, stamp)| {
                let (kind, name) = match name {
                    StampName::Tag(tag) => ("t", tag),
                    StampName::Key(key) => ("k", key),
                };
                (kind.to_owned(), name.clone(), stamp.clone())
            })
            .collect(),
        c: format_name(layout.format).to_owned(),
        z: is_compressed.then(|| LZ4.to_owned()),
        n: raw_length,
        h: crc32fast::hash(&payload),
        t: origin.created,
    };
    let header = serde_json::to_vec(&header).ok()?;
    if header.len() > MAX_HEADER {
        return None;
    }
    let mut entry = Vec::with_capacity(MAGIC.len() + header.len() + 1 + payload.len());
    entry.extend_from_slice(MAGIC);
    entry.extend_from_slice(&header);
    entry.push(b'\n');
    entry.extend_from_slice(&payload);
    (entry.len() <= layout.limit).then_some(entry)
}

/// The header of an entry; the payload is looked at by `json`.
pub fn decode(bytes: &[u8]) -> Option<Entry<'_>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let end = rest
        .iter()
        .take(MAX_HEADER + 1)
        .position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(&rest[..end]).ok()?;
    let format = [CacheFormat::MessagePack, CacheFormat::Json]
        .into_iter()
        .find(|format| format_name(*format) == header.c)?;
    let is_compressed = match header.z.as_deref() {
        None => false,
        Some(LZ4) => true,
        Some(_) => return None,
    };
    let stamps = header
        .s
        .into_iter()
        .map(|(kind, name, stamp)| {
            let name = match kind.as_str() {
                "t" => StampName::Tag(name),
                "k" => StampName::Key(name),
                _ => return None,
            };
            Some((name, stamp))
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Entry {
        origin: Origin {
            epoch: header.e,
            stamps,
            created: header.t,
        },
        format,
        is_compressed,
        raw_length: header.n,
        checksum: header.h,
        payload: &rest[end + 1..],
    })
}

impl Entry<'_> {
    /// Whether every stamp is the present one. Without any stamp nothing could make it invalid.
    pub fn is_fresh(&self, present: &[Option<String>]) -> bool {
        let stamps = &self.origin.stamps;
        !stamps.is_empty()
            && stamps.len() == present.len()
            && stamps
                .iter()
                .zip(present)
                .all(|((_, stamp), present)| present.as_deref() == Some(stamp.as_str()))
    }

    /// The value as JSON text, at most `limit` bytes.
    pub fn json(&self, limit: usize) -> Option<String> {
        let raw_length = usize::try_from(self.raw_length)
            .ok()
            .filter(|length| *length <= limit)?;
        if crc32fast::hash(self.payload) != self.checksum {
            return None;
        }
        let raw = if self.is_compressed {
            lz4_flex::block::decompress(self.payload, raw_length).ok()?
        } else {
            self.payload.to_vec()
        };
        if raw.len() != raw_length {
            return None;
        }
        match self.format {
            CacheFormat::MessagePack => msgpack::to_json(&raw, limit),
            CacheFormat::Json => String::from_utf8(raw)
                .ok()
                .filter(|text| json::is_valid(text)),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const LIMIT: usize = 1 << 20;

    fn origin() -> Origin {
        Origin {
            epoch: "e1".into(),
            stamps: vec![
                (StampName::Tag("stock:1".into()), "ab:1:e1".into()),
                (StampName::Key("k\n\"".into()), "cd:2:e1".into()),
            ],
            created: 1_700_000_000_000,
        }
    }

    fn layout(format: CacheFormat, compress_from: Option<usize>) -> Layout {
        Layout {
            format,
            compress_from,
            limit: LIMIT,
        }
    }

    fn layouts() -> [Layout; 4] {
        [
            layout(CacheFormat::Json, None),
            layout(CacheFormat::Json, Some(0)),
            layout(CacheFormat::MessagePack, None),
            layout(CacheFormat::MessagePack, Some(0)),
        ]
    }

    const VALUE: &str = r#"{"a": [1, 2.50, 0.1000000000000000055511151231257827, 9223372036854775808, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], "b": null}"#;

    #[test]
    fn an_entry_comes_back_in_every_layout() {
        for layout in layouts() {
            let bytes = encode(&origin(), VALUE, &layout).expect("an entry");
            let entry = decode(&bytes).expect("a header");
            assert_eq!(entry.origin, origin());
            let json = entry.json(LIMIT).expect("a value");
            assert_eq!(json.replace(' ', ""), VALUE.replace(' ', ""));
        }
    }

    #[test]
    fn the_header_is_the_documented_one() {
        let bytes = encode(&origin(), "[]", &layout(CacheFormat::Json, None)).expect("an entry");
        let expected = r#"IPC1 {"e":"e1","s":[["t","stock:1","ab:1:e1"],["k","k\n\"","cd:2:e1"]],"c":"json","n":2,"h":223132457,"t":1700000000000}
[]"#;
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
    }

    #[test]
    fn only_the_present_stamps_are_fresh() {
        let bytes = encode(&origin(), "1", &layouts()[0]).expect("an entry");
        let entry = decode(&bytes).expect("a header");
        let some = |stamps: &[&str]| -> Vec<Option<String>> {
            stamps.iter().map(|s| Some((*s).to_owned())).collect()
        };
        assert!(entry.is_fresh(&some(&["ab:1:e1", "cd:2:e1"])));
        assert!(!entry.is_fresh(&some(&["ab:1:e1", "cd:3:e1"])));
        assert!(!entry.is_fresh(&some(&["ab:1:e1"])));
        assert!(!entry.is_fresh(&[Some("ab:1:e1".into()), None]));
        let bare = Origin {
            stamps: vec![],
            ..origin()
        };
        let bytes = encode(&bare, "1", &layouts()[0]).expect("an entry");
        assert!(!decode(&bytes).expect("a header").is_fresh(&[]));
    }

    #[test]
    fn what_is_too_large_is_not_written_and_not_read() {
        let mut layout = layout(CacheFormat::Json, Some(0));
        let text = format!("\"{}\"", "a".repeat(100_000));
        let bytes = encode(&origin(), &text, &layout).expect("an entry");
        // a bomb: small as stored, large as a value
        assert!(bytes.len() < 2_000);
        assert_eq!(decode(&bytes).expect("a header").json(50_000), None);
        layout.limit = 50_000;
        assert_eq!(encode(&origin(), &text, &layout), None);
    }

    #[test]
    fn a_declared_length_is_not_believed() {
        let bytes = encode(
            &origin(),
            &format!("\"{}\"", "a".repeat(1_000)),
            &layouts()[1],
        )
        .expect("an entry");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for wrong in ["\"n\":1000", "\"n\":1003", "\"n\":9000000000000000000"] {
            let at = text.find("\"n\":1002").expect("the length");
            let mut changed = bytes[..at].to_vec();
            changed.extend_from_slice(wrong.as_bytes());
            changed.extend_from_slice(&bytes[at + 8..]);
            let entry = decode(&changed).expect("a header");
            assert_eq!(entry.json(LIMIT), None, "{wrong}");
        }
    }

    #[test]
    fn damaged_entries_are_misses() {
        let mut random = StdRng::seed_from_u64(42);
        let mut survivors = 0;
        for round in 0..40_000 {
            let layout = layouts()[round % 4];
            let good = encode(&origin(), VALUE, &layout).expect("an entry");
            let mut bad = good.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bad.len());
                match random.random_range(0..5) {
                    0 => bad[at] ^= 1 << random.random_range(0..8),
                    1 => bad.truncate(at.max(1)),
                    2 => bad.insert(at, random.random()),
                    3 => {
                        bad.remove(at);
                    }
                    _ => bad[at] = random.random(),
                }
                if bad.is_empty() {
                    bad.push(0);
                }
            }
            if let Some(entry) = decode(&bad)
                && let Some(json) = entry.json(LIMIT)
            {
                survivors += 1;
                assert_eq!(
                    json.replace(' ', ""),
                    VALUE.replace(' ', ""),
                    "round {round}"
                );
            }
        }
        // changes of the header alone leave the value as it is
        assert!(survivors < 40_000);
    }

    #[test]
    fn random_payloads_with_a_right_checksum_are_harmless() {
        let mut random = StdRng::seed_from_u64(7);
        for round in 0..40_000 {
            let length = random.random_range(0..60);
            let payload: Vec<u8> = (0..length).map(|_| random.random()).collect();
            let format = format_name(layouts()[round % 4].format);
            let z = if round % 2 == 0 { "" } else { r#""z":"lz4","# };
            let mut bytes = format!(
                r#"IPC1 {{"e":"","s":[],"c":"{format}",{z}"n":{},"h":{},"t":0}}"#,
                random.random_range(0..200),
                crc32fast::hash(&payload)
            )
            .into_bytes();
            bytes.push(b'\n');
            bytes.extend_from_slice(&payload);
            if let Some(json) = decode(&bytes).expect("a header").json(LIMIT) {
                assert!(json::is_valid(&json), "{json}");
            }
        }
    }
}
