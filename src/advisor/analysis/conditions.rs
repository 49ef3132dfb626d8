//! One condition on a table, as an index sees it.

use pgrx::pg_sys;
use pgrx::pg_sys::{NodeTag, Oid};

use super::super::index::{KeyExpression, Method};
use super::matching::PatternOperator;
use super::nodes::{deparsed, elements, is, parameter, stands_alone, string, stripped, variables};
use super::patterns::Pattern;
use super::scope::Scope;
use super::shape::{Condition, Key, TableUse, Test, Value};
use crate::versions;

/// Strategies of a B-tree's operators.
const LESS: i32 = 1;
const LESS_EQUAL: i32 = 2;
const EQUAL: i32 = 3;
const GREATER_EQUAL: i32 = 4;
const GREATER: i32 = 5;

/// A table in a query that is being planned.
pub struct Subject<'a> {
    pub root: *mut pg_sys::PlannerInfo,
    pub table: *mut pg_sys::RelOptInfo,
    pub relation: Oid,
    /// Its place in the range table.
    pub entry: u32,
    pub scope: &'a Scope,
}

/// An operator with the key on its left.
struct Comparison {
    operator: Oid,
    key: Key,
    key_collation: Oid,
    value: *mut pg_sys::Node,
}

impl Subject<'_> {
    /// Notes a condition on the table.
    ///
    /// # Safety
    /// `clause` is a condition of the query, on this table and maybe others.
    pub unsafe fn conditions(&self, clause: *mut pg_sys::Node, found: &mut TableUse) {
        // SAFETY: the tag says the type of a node.
        unsafe {
            if is(clause, NodeTag::T_RestrictInfo) {
                let info = clause.cast::<pg_sys::RestrictInfo>();
                let inner = if (*info).orclause.is_null() {
                    (*info).clause
                } else {
                    (*info).orclause
                };
                return self.conditions(inner.cast(), found);
            }
            if let Some(arms) = boolean_arguments(clause, pg_sys::BoolExprType::AND_EXPR) {
                for arm in arms {
                    self.conditions(arm, found);
                }
                return;
            }
            if let Some(arms) = boolean_arguments(clause, pg_sys::BoolExprType::OR_EXPR) {
                let mut list = Vec::new();
                for arm in arms {
                    if self.mentions_a_table(arm) {
                        let mut all_of = TableUse::default();
                        self.conditions(arm, &mut all_of);
                        list.push(all_of.conditions);
                    } else {
                        found.optional.extend(tested_for_null(arm));
                    }
                }
                if !list.is_empty() {
                    found.alternatives.push(list);
                }
                return;
            }
            let condition = self.condition(clause);
            found.conditions.push(condition);
        }
    }

    unsafe fn mentions_a_table(&self, node: *mut pg_sys::Node) -> bool {
        // SAFETY: a read-only walk; restrictions are looked through.
        unsafe {
            if is(node, NodeTag::T_RestrictInfo) {
                let info = node.cast::<pg_sys::RestrictInfo>();
                return !versions::is_empty((*info).clause_relids);
            }
            match boolean_arguments(node, pg_sys::BoolExprType::AND_EXPR) {
                Some(mut arms) => arms.any(|arm| self.mentions_a_table(arm)),
                None => !versions::is_empty(pg_sys::pull_varnos(self.root, node)),
            }
        }
    }

    unsafe fn condition(&self, clause: *mut pg_sys::Node) -> Condition {
        // SAFETY: as for `conditions`.
        unsafe {
            let tested = self.tested(clause);
            let (key, test, value) = match tested {
                Some((key, test, value)) => (Some(key), test, value),
                None => (None, Test::Other, Value::Later),
            };
            Condition {
                key,
                test,
                value,
                selectivity: self.selectivity(clause),
                predicate: self.predicate(clause),
            }
        }
    }

    unsafe fn selectivity(&self, clause: *mut pg_sys::Node) -> f64 {
        // SAFETY: columns of other tables count as values that are known when the table is read.
        unsafe {
            pg_sys::clause_selectivity(
                self.root,
                clause,
                self.entry as i32,
                pg_sys::JoinType::JOIN_INNER,
                std::ptr::null_mut(),
            )
        }
    }

    unsafe fn tested(&self, clause: *mut pg_sys::Node) -> Option<(Key, Test, Value)> {
        // SAFETY: the tag says the type of a node.
        unsafe {
            match (*clause).type_ {
                NodeTag::T_Var => self.boolean(clause),
                NodeTag::T_BoolExpr => {
                    let mut arms = boolean_arguments(clause, pg_sys::BoolExprType::NOT_EXPR)?;
                    self.boolean(arms.next()?)
                }
                NodeTag::T_BooleanTest => {
                    let test = clause.cast::<pg_sys::BooleanTest>();
                    let decides = [
                        pg_sys::BoolTestType::IS_TRUE,
                        pg_sys::BoolTestType::IS_FALSE,
                    ]
                    .contains(&(*test).booltesttype);
                    decides.then(|| self.boolean((*test).arg.cast())).flatten()
                }
                NodeTag::T_NullTest => {
                    let test = clause.cast::<pg_sys::NullTest>();
                    if (*test).argisrow {
                        return None;
                    }
                    let key = self.key((*test).arg.cast(), pg_sys::InvalidOid)?;
                    let is_null = (*test).nulltesttype == pg_sys::NullTestType::IS_NULL;
                    let kind = if is_null {
                        Test::IsNull
                    } else {
                        Test::IsNotNull
                    };
                    Some((key, kind, Value::Constant))
                }
                NodeTag::T_OpExpr => self.operator(clause),
                NodeTag::T_ScalarArrayOpExpr => self.any_of(clause),
                NodeTag::T_RowCompareExpr => self.row_comparison(clause),
                _ => None,
            }
        }
    }

    unsafe fn boolean(&self, node: *mut pg_sys::Node) -> Option<(Key, Test, Value)> {
        // SAFETY: as for `conditions`.
        let key = unsafe { self.key(node, pg_sys::InvalidOid)? };
        (key.type_oid == pg_sys::BOOLOID.to_u32()).then_some((key, Test::Equal, Value::Constant))
    }

    unsafe fn operator(&self, clause: *mut pg_sys::Node) -> Option<(Key, Test, Value)> {
        // SAFETY: the caller saw the tag.
        unsafe {
            let operation = clause.cast::<pg_sys::OpExpr>();
            let sides: Vec<*mut pg_sys::Node> = elements((*operation).args).collect();
            let [left, right] = sides[..] else {
                return None;
            };
            let collation = (*operation).inputcollid;
            let comparison = match self.key(left, collation) {
                Some(key) if !self.mentions(right) => Comparison {
                    operator: (*operation).opno,
                    key,
                    key_collation: collation,
                    value: right,
                },
                _ => Comparison {
                    operator: pg_sys::get_commutator((*operation).opno),
                    key: self
                        .key(right, collation)
                        .filter(|_| !self.mentions(left))?,
                    key_collation: collation,
                    value: left,
                },
            };
            if comparison.operator == pg_sys::InvalidOid
                || pg_sys::contain_volatile_functions(comparison.value)
            {
                return None;
            }
            let test = self.test(&comparison)?;
            Some((comparison.key, test, self.value(comparison.value)))
        }
    }

    unsafe fn test(&self, comparison: &Comparison) -> Option<Test> {
        let Comparison {
            operator,
            key,
            key_collation,
            value,
        } = comparison;
        let type_oid = Oid::from(key.type_oid);
        // SAFETY: catalog look-ups by value, and a look at the value's node.
        unsafe {
            match strategy(*operator, type_oid, pg_sys::BTREE_AM_OID) {
                LESS | LESS_EQUAL => return Some(Test::Below),
                EQUAL => return Some(Test::Equal),
                GREATER | GREATER_EQUAL => return Some(Test::Above),
                _ => {}
            }
            let negator = pg_sys::get_negator(*operator);
            if negator != pg_sys::InvalidOid
                && strategy(negator, type_oid, pg_sys::BTREE_AM_OID) == EQUAL
            {
                return Some(Test::NotEqual);
            }
            if let Some(matching) = PatternOperator::of(*operator) {
                return match matching.pattern(*value) {
                    Pattern::Prefix => Some(Test::Prefix {
                        needs_pattern_class: !self.scope.byte_order.contains(key_collation),
                    }),
                    Pattern::Trigram => Some(Test::Trigram),
                    Pattern::Nothing => None,
                };
            }
            if self.scope.answers_with_trigrams(*operator) {
                return Some(Test::Trigram);
            }
            for (method, method_oid) in [
                (Method::Gin, pg_sys::GIN_AM_OID),
                (Method::Gist, pg_sys::GIST_AM_OID),
            ] {
                if strategy(*operator, type_oid, method_oid) != 0 {
                    let paths = method == Method::Gin && answers_by_paths(*operator);
                    return Some(Test::Special {
                        method,
                        opclass: paths.then(|| "jsonb_path_ops".to_owned()),
                    });
                }
            }
            None
        }
    }

    unsafe fn any_of(&self, clause: *mut pg_sys::Node) -> Option<(Key, Test, Value)> {
        // SAFETY: the caller saw the tag.
        unsafe {
            let operation = clause.cast::<pg_sys::ScalarArrayOpExpr>();
            let sides: Vec<*mut pg_sys::Node> = elements((*operation).args).collect();
            let [left, right] = sides[..] else {
                return None;
            };
            let key = self.key(left, (*operation).inputcollid)?;
            if self.mentions(right) || pg_sys::contain_volatile_functions(right) {
                return None;
            }
            let type_oid = Oid::from(key.type_oid);
            let equal = strategy((*operation).opno, type_oid, pg_sys::BTREE_AM_OID) == EQUAL;
            match ((*operation).useOr, equal) {
                (true, true) => Some((key, Test::AnyOf, self.value(right))),
                (true, false) if PatternOperator::of((*operation).opno).is_some() => {
                    Some((key, Test::Trigram, self.value(right)))
                }
                (false, _) => Some((key, Test::NotEqual, self.value(right))),
                _ => None,
            }
        }
    }

    /// (a, b) > ($1, $2): a range of its first column.
    unsafe fn row_comparison(&self, clause: *mut pg_sys::Node) -> Option<(Key, Test, Value)> {
        // SAFETY: the caller saw the tag; a row comparison has a column at least.
        unsafe {
            let comparison = clause.cast::<pg_sys::RowCompareExpr>();
            let collation = super::nodes::oids((*comparison).inputcollids)
                .first()
                .copied()?;
            let first = elements::<pg_sys::Node>((*comparison).largs).next()?;
            let value = elements::<pg_sys::Node>((*comparison).rargs).next()?;
            let key = self.key(first, collation)?;
            if self.mentions(value) {
                return None;
            }
            let test = if versions::asks_below(&*comparison) {
                Test::Below
            } else {
                Test::Above
            };
            Some((key, test, self.value(value)))
        }
    }

    /// What a key is compared with.
    ///
    /// # Safety
    /// `node` is an expression of the query.
    pub unsafe fn value(&self, node: *mut pg_sys::Node) -> Value {
        // SAFETY: the tag says the type of a node.
        unsafe {
            let node = stripped(node);
            match (*node).type_ {
                NodeTag::T_Const => Value::Constant,
                NodeTag::T_Param => match parameter(node) {
                    Some(number) => Value::Parameter(number),
                    None => Value::Later,
                },
                NodeTag::T_Var => {
                    let (entry, attribute) = versions::column_of(&*node.cast());
                    Value::Join(self.column_of(entry, attribute))
                }
                _ if !versions::is_empty(pg_sys::pull_varnos(self.root, node)) => Value::Join(None),
                NodeTag::T_ArrayExpr => {
                    let list = node.cast::<pg_sys::ArrayExpr>();
                    elements((*list).elements)
                        .map(|element| parameter(element))
                        .collect::<Option<Vec<usize>>>()
                        .map_or(Value::Later, Value::Parameters)
                }
                _ => Value::Later,
            }
        }
    }

    /// Table and name of a column, when the range table entry is a table.
    unsafe fn column_of(&self, entry: i32, attribute: i16) -> Option<(u32, String)> {
        // SAFETY: range table indexes of the query are within its array.
        unsafe {
            if entry < 1 || entry >= (*self.root).simple_rel_array_size || attribute < 1 {
                return None;
            }
            let table = *(*self.root).simple_rte_array.add(entry as usize);
            if table.is_null() || (*table).rtekind != pg_sys::RTEKind::RTE_RELATION {
                return None;
            }
            let name = string(pg_sys::get_attname((*table).relid, attribute, true))?;
            Some(((*table).relid.to_u32(), name))
        }
    }

    /// Whether the expression reads this table.
    unsafe fn mentions(&self, node: *mut pg_sys::Node) -> bool {
        // SAFETY: a read-only walk.
        unsafe { pg_sys::bms_is_member(self.entry as i32, pg_sys::pull_varnos(self.root, node)) }
    }

    /// The expression as a key of an index on this table, compared with `collation`.
    ///
    /// # Safety
    /// `node` is an expression of the query.
    pub unsafe fn key(&self, node: *mut pg_sys::Node, collation: Oid) -> Option<Key> {
        // SAFETY: read-only walks and catalog look-ups.
        unsafe {
            let node = stripped(node);
            if node.is_null() {
                return None;
            }
            let variables = variables(node)?;
            let own = !variables.is_empty()
                && variables
                    .iter()
                    .all(|(entry, attribute)| *entry == self.entry as i32 && *attribute > 0);
            if !own {
                return None;
            }
            let mut columns = Vec::new();
            for (_, attribute) in variables {
                let name = string(pg_sys::get_attname(self.relation, attribute, true))?;
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
            let expression = if is(node, NodeTag::T_Var) {
                KeyExpression::Column(columns.first()?.clone())
            } else {
                if pg_sys::contain_mutable_functions(node)
                    || pg_sys::expression_returns_set(node)
                    || !stands_alone(node)
                {
                    return None;
                }
                KeyExpression::Expression(deparsed(node, self.relation, self.entry))
            };
            let by_itself = pg_sys::exprCollation(node);
            let other = collation != pg_sys::InvalidOid && collation != by_itself;
            Some(Key {
                expression,
                type_oid: pg_sys::getBaseType(pg_sys::exprType(node)).to_u32(),
                collation: other.then(|| collation_name(collation)),
                columns,
            })
        }
    }

    /// The condition as SQL, if an index may have it as its predicate.
    unsafe fn predicate(&self, clause: *mut pg_sys::Node) -> Option<String> {
        // SAFETY: read-only walks.
        unsafe {
            let variables = variables(clause)?;
            let own = !variables.is_empty()
                && variables
                    .iter()
                    .all(|(entry, attribute)| *entry == self.entry as i32 && *attribute > 0);
            (own && !pg_sys::contain_mutable_functions(clause)
                && !pg_sys::expression_returns_set(clause)
                && stands_alone(clause))
            .then(|| deparsed(clause, self.relation, self.entry))
        }
    }
}

/// The strategy of the operator in the default operator class of a type; 0 if it has none there.
unsafe fn strategy(operator: Oid, type_oid: Oid, method: Oid) -> i32 {
    // SAFETY: catalog look-ups by value.
    unsafe {
        let class = pg_sys::GetDefaultOpClass(type_oid, method);
        if class == pg_sys::InvalidOid {
            return 0;
        }
        pg_sys::get_op_opfamily_strategy(operator, pg_sys::get_opclass_family(class))
    }
}

/// `@>`, `@?` and `@@` of jsonb.
fn answers_by_paths(operator: Oid) -> bool {
    [3246, 4012, 4013].contains(&operator.to_u32())
}

/// A name for COLLATE.
fn collation_name(collation: Oid) -> String {
    // SAFETY: a catalog look-up by value.
    crate::security::with_safe_path(|| unsafe {
        string(pg_sys::generate_collation_name(collation)).unwrap_or_default()
    })
}

/// The parameter of `$1 IS NULL`.
unsafe fn tested_for_null(node: *mut pg_sys::Node) -> Option<usize> {
    // SAFETY: the tag says the type of a node.
    unsafe {
        if is(node, NodeTag::T_RestrictInfo) {
            return tested_for_null((*node.cast::<pg_sys::RestrictInfo>()).clause.cast());
        }
        if !is(node, NodeTag::T_NullTest) {
            return None;
        }
        let test = node.cast::<pg_sys::NullTest>();
        let is_null = (*test).nulltesttype == pg_sys::NullTestType::IS_NULL;
        is_null.then(|| parameter((*test).arg.cast())).flatten()
    }
}

/// The arguments of AND, OR or NOT.
unsafe fn boolean_arguments(
    node: *mut pg_sys::Node,
    kind: pg_sys::BoolExprType::Type,
) -> Option<impl Iterator<Item = *mut pg_sys::Node>> {
    // SAFETY: the tag says the type of a node.
    unsafe {
        if !is(node, NodeTag::T_BoolExpr) {
            return None;
        }
        let expression = node.cast::<pg_sys::BoolExpr>();
        ((*expression).boolop == kind).then(|| elements((*expression).args))
    }
}
