//! How a B-tree stores the values of a type.

use pgrx::pg_sys;

/// Number of the support function that says whether a B-tree may merge equal keys.
const EQUAL_IMAGE: i16 = 4;

/// Length of a type whose values are C strings.
const C_STRING: i16 = -2;

#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// As pg_type has it: bytes, -1 for a varlena, -2 for a C string.
    pub length: i16,
    pub by_value: bool,
    pub alignment: u8,
    /// Equal keys are merged.
    pub merged: bool,
}

impl Layout {
    /// Of a type that is no domain.
    pub fn of(type_oid: u32) -> Self {
        let mut length = 0;
        let mut by_value = false;
        let mut alignment = 0;
        // SAFETY: catalog look-ups by value, into variables of this frame.
        unsafe {
            pg_sys::get_typlenbyvalalign(
                type_oid.into(),
                &mut length,
                &mut by_value,
                &mut alignment,
            );
        }
        Self {
            // Its operator class stores a name without the bytes that fill it up.
            length: if type_oid == pg_sys::NAMEOID.to_u32() {
                C_STRING
            } else {
                length
            },
            by_value,
            alignment: match alignment as u8 {
                b'c' => 1,
                b's' => 2,
                b'd' => 8,
                _ => 4,
            },
            merged: merged(type_oid),
        }
    }

    pub fn is_fixed(&self) -> bool {
        self.length > 0
    }
}

/// Whether a B-tree merges equal keys of the type: the default operator class has the function that
/// lets it, and the type is none of those whose equal values may differ in their blanks.
fn merged(type_oid: u32) -> bool {
    type_oid != pg_sys::BPCHAROID.to_u32() && has_equal_image(type_oid)
}

/// Whether the default operator class of the type has the function that lets equal keys be merged.
fn has_equal_image(type_oid: u32) -> bool {
    // SAFETY: catalog look-ups by value.
    unsafe {
        let class = pg_sys::GetDefaultOpClass(type_oid.into(), pg_sys::BTREE_AM_OID);
        if class == pg_sys::InvalidOid {
            return false;
        }
        let input = pg_sys::get_opclass_input_type(class);
        let family = pg_sys::get_opclass_family(class);
        pg_sys::get_opfamily_proc(family, input, input, EQUAL_IMAGE) != pg_sys::InvalidOid
    }
}
