//! Numbers the distinct keys of a set of rows, by the equality of their own types.

use hashbrown::HashTable;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::c_void;

use crate::error::Failure;

/// Bytes of key columns in a row of an index: a third of a page, as B-trees want it, without its header
/// and the month and the day after the keys.
const LONGEST_KEY: usize = 2_704 - 8 - 16;

/// How one key column is hashed, compared and copied.
#[derive(Clone)]
pub struct KeyType {
    type_oid: pg_sys::Oid,
    length: i16,
    by_value: bool,
    collation: pg_sys::Oid,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// Passed by value, and equal exactly when the datums are.
    Word,
    /// Of a fixed number of bytes, and equal exactly when the bytes are.
    Bytes(usize),
    Functions(Box<Functions>),
}

/// The functions of the type's default operator classes.
#[derive(Clone)]
struct Functions {
    hash: pg_sys::FmgrInfo,
    equals: pg_sys::FmgrInfo,
}

impl KeyType {
    pub fn new(type_oid: pg_sys::Oid, collation: pg_sys::Oid) -> Result<Self, Failure> {
        // SAFETY: the type cache lives as long as the backend; the FmgrInfo are copied out of it,
        // and what they point to lives in the cache's own context.
        let (entry, base) = unsafe {
            let flags = pg_sys::TYPECACHE_HASH_PROC_FINFO
                | pg_sys::TYPECACHE_EQ_OPR_FINFO
                | pg_sys::TYPECACHE_CMP_PROC_FINFO;
            (
                &*pg_sys::lookup_type_cache(type_oid, flags as i32),
                pg_sys::getBaseType(type_oid),
            )
        };
        let missing = entry.hash_proc_finfo.fn_oid == pg_sys::InvalidOid
            || entry.eq_opr_finfo.fn_oid == pg_sys::InvalidOid
            || entry.cmp_proc_finfo.fn_oid == pg_sys::InvalidOid;
        // A row with a NULL field is neither NULL nor NOT NULL.
        let is_composite = entry.typtype as u8 == pg_sys::TYPTYPE_COMPOSITE;
        if missing || is_composite {
            return Err(Failure::new(
                PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION,
                format!(
                    "type {} cannot be a key",
                    super::expressions::type_name(type_oid)
                ),
            )
            .detail("A key type needs a default B-tree and a default hash operator class, and is not composite.")
            .hint("Use a key column of another type, such as text, uuid or bigint."));
        }
        // SAFETY: a catalog look-up by value.
        let is_enum = unsafe { pg_sys::type_is_enum(base) };
        let kind = match base {
            pg_sys::INT2OID
            | pg_sys::INT4OID
            | pg_sys::INT8OID
            | pg_sys::DATEOID
            | pg_sys::OIDOID
            | pg_sys::BOOLOID => Kind::Word,
            _ if is_enum => Kind::Word,
            pg_sys::UUIDOID => Kind::Bytes(16),
            _ => Kind::Functions(Box::new(Functions {
                hash: entry.hash_proc_finfo,
                equals: entry.eq_opr_finfo,
            })),
        };
        Ok(Self {
            type_oid,
            length: entry.typlen,
            by_value: entry.typbyval,
            collation,
            kind,
        })
    }

    pub fn oid(&self) -> pg_sys::Oid {
        self.type_oid
    }

    unsafe fn hash(&mut self, datum: pg_sys::Datum) -> u64 {
        match &mut self.kind {
            Kind::Word => datum.value() as u64,
            // SAFETY: the datum points to that many bytes.
            Kind::Bytes(length) => unsafe {
                let bytes = std::slice::from_raw_parts(datum.cast_mut_ptr::<u8>(), *length);
                bytes.chunks(8).fold(0, |hash, chunk| {
                    let mut word = [0; 8];
                    word[..chunk.len()].copy_from_slice(chunk);
                    mix(hash ^ u64::from_ne_bytes(word))
                })
            },
            // SAFETY: the type's own hash function on a datum of the type.
            Kind::Functions(functions) => unsafe {
                pg_sys::FunctionCall1Coll(&mut functions.hash, self.collation, datum).value() as u64
            },
        }
    }

    unsafe fn equal(&mut self, left: pg_sys::Datum, right: pg_sys::Datum) -> bool {
        match &mut self.kind {
            Kind::Word => left == right,
            // SAFETY: both datums point to that many bytes.
            Kind::Bytes(length) => unsafe {
                std::slice::from_raw_parts(left.cast_mut_ptr::<u8>(), *length)
                    == std::slice::from_raw_parts(right.cast_mut_ptr::<u8>(), *length)
            },
            // SAFETY: the type's own equality on two datums of the type.
            Kind::Functions(functions) => unsafe {
                pg_sys::FunctionCall2Coll(&mut functions.equals, self.collation, left, right)
                    .value()
                    != 0
            },
        }
    }

    /// Bytes that a datum takes in a row of an index, alignment included, at most.
    unsafe fn size(&self, datum: pg_sys::Datum) -> usize {
        if self.by_value {
            return 8;
        }
        // SAFETY: as for copy(). An index keeps a long value in one piece, compressed or as it is.
        unsafe {
            match self.length {
                -1 => pgrx::varsize_any(datum.cast_mut_ptr()) + 8,
                -2 => std::ffi::CStr::from_ptr(datum.cast_mut_ptr()).count_bytes() + 1,
                length => length as usize + 8,
            }
        }
    }

    /// A copy in the current memory context.
    unsafe fn copy(&self, datum: pg_sys::Datum) -> pg_sys::Datum {
        if self.by_value {
            return datum;
        }
        // SAFETY: the datum points to a value of this length, of a varlena or of a C string.
        unsafe {
            match self.length {
                -1 => {
                    let varlena = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
                    let size = pgrx::varsize_any(varlena);
                    copy_varlena(std::slice::from_raw_parts(varlena.cast::<u8>(), size))
                }
                -2 => pg_sys::Datum::from(pg_sys::pstrdup(datum.cast_mut_ptr())),
                length => copy_bytes(datum.cast_mut_ptr::<u8>(), length as usize),
            }
        }
    }
}

unsafe fn copy_bytes(source: *const u8, length: usize) -> pg_sys::Datum {
    // SAFETY: palloc returns at least that many bytes, or raises an error.
    unsafe {
        let copy = pg_sys::palloc(length).cast::<u8>();
        std::ptr::copy_nonoverlapping(source, copy, length);
        pg_sys::Datum::from(copy.cast::<c_void>())
    }
}

/// A copy of a complete varlena in the current memory context.
///
/// # Safety
/// `bytes` is a complete varlena, its length included.
pub unsafe fn copy_varlena(bytes: &[u8]) -> pg_sys::Datum {
    // SAFETY: the slice says how long it is.
    unsafe { copy_bytes(bytes.as_ptr(), bytes.len()) }
}

/// A finalizer of good avalanche (the 64-bit step of MurmurHash3).
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Gives each distinct key a number, from 0 in the order of first appearance.
pub struct KeyInterner {
    types: Vec<KeyType>,
    /// The datums of key 0, then those of key 1, …
    datums: Vec<pg_sys::Datum>,
    hashes: Vec<u64>,
    numbers: HashTable<u32>,
    /// Where keys are copied to; it outlives the interner.
    context: pg_sys::MemoryContext,
}

impl KeyInterner {
    /// Keys that are passed by reference are copied to the memory context that is current now.
    pub fn new(types: Vec<KeyType>) -> Self {
        Self {
            types,
            datums: Vec::new(),
            hashes: Vec::new(),
            numbers: HashTable::new(),
            // SAFETY: reads a backend variable.
            context: unsafe { pg_sys::CurrentMemoryContext },
        }
    }

    /// Makes room for that many more keys.
    pub fn reserve(&mut self, keys: usize) {
        self.datums.reserve(keys * self.types.len());
        self.hashes.reserve(keys);
        let hashes = &self.hashes;
        self.numbers
            .reserve(keys, |number| hashes[*number as usize]);
    }

    /// Forgets all keys, and copies new ones to the memory context that is current now.
    pub fn start_over(&mut self) {
        self.datums.clear();
        self.hashes.clear();
        self.numbers.clear();
        // SAFETY: reads a backend variable.
        self.context = unsafe { pg_sys::CurrentMemoryContext };
    }

    pub fn type_oids(&self) -> impl Iterator<Item = pg_sys::Oid> {
        self.types.iter().map(|key_type| key_type.type_oid)
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    pub fn datums(&self, key: u32) -> &[pg_sys::Datum] {
        let width = self.types.len();
        &self.datums[key as usize * width..][..width]
    }

    /// # Safety
    /// `key` has one datum, not NULL, of each key column's type.
    pub unsafe fn intern(&mut self, key: &[pg_sys::Datum]) -> u32 {
        let Self {
            types,
            datums,
            hashes,
            numbers,
            context,
        } = self;
        let mut hash = 0;
        for (key_type, datum) in types.iter_mut().zip(key) {
            // SAFETY: as the caller promises.
            hash = mix(hash ^ unsafe { key_type.hash(*datum) });
        }
        let width = types.len();
        let found = numbers.find(hash, |number| {
            let stored = &datums[*number as usize * width..][..width];
            types
                .iter_mut()
                .zip(stored.iter().zip(key))
                // SAFETY: stored keys are copies of keys that the caller promised for.
                .all(|(key_type, (left, right))| unsafe { key_type.equal(*left, *right) })
        });
        if let Some(number) = found {
            return *number;
        }
        let number = hashes.len() as u32;
        // SAFETY: the context outlives the interner, and the datums are of their types.
        unsafe {
            let previous = pg_sys::MemoryContextSwitchTo(*context);
            for (key_type, datum) in types.iter().zip(key) {
                datums.push(key_type.copy(*datum));
            }
            pg_sys::MemoryContextSwitchTo(previous);
        }
        hashes.push(hash);
        numbers.insert_unique(hash, number, |number| hashes[*number as usize]);
        number
    }

    /// Refuses a key that a row of some index of the storage could be too small for: a fold could not
    /// store it. What counts is its size as it is, as how well it is compressed depends on settings.
    pub fn require_indexable(&self, key: u32) -> Result<(), Failure> {
        if self.types.iter().all(|key_type| key_type.length > 0) {
            return Ok(());
        }
        let datums = self.types.iter().zip(self.datums(key));
        // SAFETY: interned keys are complete datums of their types, none of them out of line.
        let size: usize = datums
            .map(|(key_type, datum)| unsafe { key_type.size(*datum) })
            .sum();
        if size <= LONGEST_KEY {
            return Ok(());
        }
        Err(Failure::new(
            PgSqlErrorCode::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
            "key of a movement is too long for an index",
        )
        .detail(format!(
            "Its key columns take {size} bytes; {LONGEST_KEY} are possible."
        ))
        .hint(
            "Shorten the value, or attach the ledger with a filter that leaves such rows out, \
             such as length(product) < 500.",
        ))
    }

    /// Renumbers the keys in an order that puts neighbours together: by value where a key column
    /// is passed by value, by hash elsewhere. Returns the new number of each old one; keys can
    /// only be read afterwards.
    pub fn rank(&mut self) -> Vec<u32> {
        let width = self.types.len();
        let sortable = |key: u32, column: usize| match self.types.get(column) {
            Some(key_type) if matches!(key_type.kind, Kind::Word) => {
                self.datums[key as usize * width + column].value() as i64
            }
            Some(_) => self.hashes[key as usize] as i64,
            None => 0,
        };
        // The first columns tell most keys apart.
        let mut order: Vec<([i64; 2], u32)> = (0..self.len() as u32)
            .map(|key| ([sortable(key, 0), sortable(key, 1)], key))
            .collect();
        order.sort_unstable_by(|(left_first, left), (right_first, right)| {
            left_first.cmp(right_first).then_with(|| {
                (2..width)
                    .map(|column| sortable(*left, column).cmp(&sortable(*right, column)))
                    .find(|ordering| ordering.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
        });
        let mut ranks = vec![0; order.len()];
        let mut datums = Vec::with_capacity(self.datums.len());
        for (rank, (_, key)) in order.iter().enumerate() {
            ranks[*key as usize] = rank as u32;
            datums.extend_from_slice(self.datums(*key));
        }
        self.datums = datums;
        self.numbers = HashTable::new();
        ranks
    }
}
