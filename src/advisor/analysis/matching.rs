//! Operators that match text with a pattern, and what is known of the pattern.

use pgrx::pg_sys;
use pgrx::pg_sys::{NodeTag, Oid};

use super::nodes::{elements, is, string, stripped};
use super::patterns::{self, Pattern};

/// The built-in ones.
#[derive(Clone, Copy)]
pub enum PatternOperator {
    Like { ignore_case: bool },
    Expression { ignore_case: bool },
    StartsWith,
}

impl PatternOperator {
    pub fn of(operator: Oid) -> Option<Self> {
        Some(match operator.to_u32() {
            1209 | 1211 => Self::Like { ignore_case: false },
            1627 | 1629 => Self::Like { ignore_case: true },
            641 | 1055 => Self::Expression { ignore_case: false },
            1228 | 1234 => Self::Expression { ignore_case: true },
            3877 => Self::StartsWith,
            _ => return None,
        })
    }

    /// What the pattern leaves to do, as far as it is known now.
    ///
    /// # Safety
    /// `value` is the operator's right argument in a query.
    pub unsafe fn pattern(self, value: *mut pg_sys::Node) -> Pattern {
        // SAFETY: as the caller promises.
        let (text, is_open_end) = unsafe { (constant_text(value), begins_with_a_value(value)) };
        match (self, text) {
            (Self::StartsWith, _) => Pattern::Prefix,
            (Self::Like { ignore_case }, Some(text)) => patterns::like(&text, ignore_case),
            (Self::Expression { ignore_case }, Some(text)) => {
                patterns::regular_expression(&text, ignore_case)
            }
            (Self::Like { ignore_case: false }, None) if is_open_end => Pattern::Prefix,
            _ => Pattern::Trigram,
        }
    }
}

/// `$1 || '%'`, but not `'%' || $1`.
unsafe fn begins_with_a_value(node: *mut pg_sys::Node) -> bool {
    const CONCATENATION: u32 = 654;
    // SAFETY: the tag says the type of a node.
    unsafe {
        let node = stripped(node);
        if !is(node, NodeTag::T_OpExpr) {
            return false;
        }
        let operation = node.cast::<pg_sys::OpExpr>();
        if (*operation).opno.to_u32() != CONCATENATION {
            return false;
        }
        let sides: Vec<*mut pg_sys::Node> = elements((*operation).args).collect();
        let [left, right] = sides[..] else {
            return false;
        };
        let ends_open = constant_text(right).is_some_and(|text| text.starts_with('%'));
        let left_is_constant = is(stripped(left), NodeTag::T_Const);
        ends_open && !left_is_constant && !is(stripped(left), NodeTag::T_OpExpr)
    }
}

unsafe fn constant_text(node: *mut pg_sys::Node) -> Option<String> {
    // SAFETY: a constant of a text type holds a varlena with text.
    unsafe {
        let node = stripped(node);
        if !is(node, NodeTag::T_Const) {
            return None;
        }
        let constant = node.cast::<pg_sys::Const>();
        let is_text = [pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID]
            .contains(&(*constant).consttype);
        if (*constant).constisnull || !is_text {
            return None;
        }
        let text = pg_sys::pg_detoast_datum_packed((*constant).constvalue.cast_mut_ptr());
        string(pg_sys::text_to_cstring(text.cast()))
    }
}
