//! What the result of a query depends on, and so whether it may be cached, under which tags, and
//! what has to be checked before it is given to anyone.

use pgrx::pg_sys;
use pgrx::prelude::*;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::collections::BTreeSet;

use super::functions::{Class, Function, class};
use super::named_values::Uses;
use super::nodes::{self, FirstArgument, Mentions};
use super::output;
use super::statement::{Plan, Statement, node_text, oids};
use crate::error::Failure;
use crate::ledger::registry::relation_name;
use crate::{invalidation, security};

/// Which settings of the session a result depends on, apart from those of every key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    Named(BTreeSet<String>),
    /// Every setting with a dot in its name.
    Custom,
    All,
}

/// Why a query is computed each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub what: String,
    pub hint: Option<String>,
    /// Tags of the caller's own remove it.
    pub tags_help: bool,
}

pub struct Dependencies {
    /// The plan that they were read from.
    pub generation: i32,
    epoch: (u64, u64),
    pub obstacle: Option<Obstacle>,
    /// The obstacle was told.
    pub told: Cell<bool>,
    /// Of every table that the result depends on, if each is watched.
    pub tags: Vec<String>,
    pub functions: Vec<pg_sys::Oid>,
    pub ledgers: Vec<pg_sys::Oid>,
    pub settings: Settings,
    pub on_date: bool,
    /// Another one if the query means something else: a view was replaced, a table rewritten.
    pub fingerprint: [u8; 32],
}

impl Dependencies {
    /// Whether they are those of this plan, and nothing that they came from has changed.
    pub fn are_of(&self, plan: &Plan) -> bool {
        self.generation == plan.generation() && self.epoch == present_epoch()
    }

    pub fn of(statement: &Statement, plan: &Plan) -> Result<Self, Failure> {
        // What is invalidated meanwhile makes them outdated.
        let epoch = present_epoch();
        let tree = statement.tree();
        let planned = plan.planned();
        let mut in_plan = Mentions::default();
        // SAFETY: a planned statement is a node.
        let text = unsafe { node_text(std::ptr::from_ref(planned).cast()) };
        nodes::scan(&text, &mut in_plan);
        for operator in &in_plan.operators {
            // SAFETY: a catalog look-up by value.
            let function = unsafe { pg_sys::get_opcode(pg_sys::Oid::from(*operator)) };
            in_plan.functions.entry(function.to_u32()).or_default();
        }
        let mut in_tree = Mentions::default();
        nodes::scan(&tree, &mut in_tree);
        let mut uses = Uses::default();
        uses.scan(&tree);
        // With it what functions that PostgreSQL inlined do.
        uses.scan(&text);
        uses.add_result(statement.column_types().iter().map(|oid| oid.to_u32()));
        let types = uses.all_types();
        let uses = uses.finish();

        let mut hash = Sha256::new();
        hash.update(tree.as_bytes());
        // SAFETY: the plan's list of relations.
        let relations = unsafe { oids(planned.relationOids) };
        let found = with_latest_snapshot(|| {
            let owner = security::extension_owner()?;
            security::run_as(owner, || {
                let functions = read_functions(&in_plan, &in_tree)?;
                let ledgers = ledgers(&functions, &in_plan);
                let tables = read_tables(&relations, &ledgers)?;
                if !planned.invalItems.is_null() {
                    hash_inlined(planned, &mut hash)?;
                }
                if functions.iter().any(may_ask_for_roles) {
                    hash.update(roles()?);
                }
                let named = named_value(&uses)?;
                hash.update(output_of(types, &functions).state()?);
                Ok::<_, Failure>((functions, ledgers, tables, named))
            })
        })?;
        let (functions, ledgers, tables, named) = found;

        for function in &functions {
            hash.update(function.oid.to_u32().to_be_bytes());
            hash.update(function.version.as_bytes());
        }
        for table in &tables {
            hash.update(table.state.as_bytes());
            for member in table.members.iter().filter(|oid| !relations.contains(oid)) {
                invalidation::watch(*member);
            }
        }
        in_plan.on_time |= statement.names_a_moment();
        in_plan.on_schema |= in_tree.on_schema;
        let by_others = functions.iter().find(|called| {
            called.is_in_plan && called.class == Class::Hidden && !statement.calls(called.oid)
        });
        let obstacle = match by_others {
            Some(called) => Some(asked_by_others(called)),
            None => obstacle(&functions, &ledgers, &in_plan, named, &tables, &relations),
        };
        let mut tags: Vec<String> = tables
            .iter()
            .map(|table| format!("relation:{}", table.root.to_u32()))
            .collect();
        tags.sort_unstable();
        Ok(Self {
            generation: plan.generation(),
            epoch,
            told: Cell::new(false),
            tags,
            settings: settings(&functions, &in_plan),
            functions: in_plan
                .functions
                .keys()
                .map(|oid| pg_sys::Oid::from(*oid))
                .collect(),
            ledgers: ledgers.into_iter().map(pg_sys::Oid::from).collect(),
            on_date: in_plan.on_date,
            fingerprint: hash.finalize().into(),
            obstacle,
        })
    }
}

/// Of the relations, and of the types, that anything was read from.
fn present_epoch() -> (u64, u64) {
    (invalidation::epoch(), output::epoch())
}

fn output_of(types: BTreeSet<u32>, functions: &[Called]) -> output::Uses {
    let is_search = |called: &Called| {
        called.function.schema == "pg_catalog" && called.function.name.starts_with("ts_")
    };
    let is_hidden = |called: &Called| match called.class {
        Class::Hidden | Class::HiddenAsCaller => true,
        Class::Pure => called.function.has_body(),
        _ => false,
    };
    let is_hidden = functions.iter().any(is_hidden);
    output::Uses {
        text_search: is_hidden
            || output::Uses::searches_text(&types)
            || functions.iter().any(is_search),
        all_types: is_hidden,
        types,
    }
}

/// The catalog as it is now: a change after this snapshot is announced later, too.
fn with_latest_snapshot<R>(work: impl FnOnce() -> R) -> R {
    // SAFETY: on an error the transaction pops what it finds pushed.
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetLatestSnapshot()) };
    let result = work();
    // SAFETY: the snapshot pushed above.
    unsafe { pg_sys::PopActiveSnapshot() };
    result
}

struct Called {
    oid: pg_sys::Oid,
    function: Function,
    class: Class,
    version: String,
    /// Not only named by the query, but left in its plan.
    is_in_plan: bool,
}

fn read_functions(in_plan: &Mentions, in_tree: &Mentions) -> Result<Vec<Called>, Failure> {
    let all: BTreeSet<u32> = in_plan
        .functions
        .keys()
        .chain(in_tree.functions.keys())
        .copied()
        .collect();
    let all: Vec<pg_sys::Oid> = all.into_iter().map(pg_sys::Oid::from).collect();
    let functions = Spi::connect(|client| {
        let mut functions = Vec::new();
        for row in client.select(
            include_str!("../../../sql/cache/plan_functions.sql"),
            None,
            &[all.into()],
        )? {
            let text =
                |column| Ok::<_, pgrx::spi::Error>(row.get::<String>(column)?.unwrap_or_default());
            let oid = row.get::<pg_sys::Oid>(1)?.unwrap_or(pg_sys::InvalidOid);
            let function = Function {
                schema: text(2)?,
                name: text(3)?,
                argument_count: row.get(4)?.unwrap_or_default(),
                volatility: text(5)?.chars().next().unwrap_or('v'),
                security_definer: row.get(6)?.unwrap_or_default(),
                language: text(7)?,
            };
            functions.push(Called {
                oid,
                class: class(&function),
                function,
                version: text(8)?,
                // A part of an aggregate is in neither.
                is_in_plan: in_plan.functions.contains_key(&oid.to_u32())
                    || !in_tree.functions.contains_key(&oid.to_u32()),
            });
        }
        Ok::<_, pgrx::spi::Error>(functions)
    })?;
    Ok(functions)
}

/// The ledgers that functions of the extension are called for.
fn ledgers(functions: &[Called], in_plan: &Mentions) -> BTreeSet<u32> {
    functions
        .iter()
        .filter(|called| called.is_in_plan && called.class == Class::ReadsLedger)
        .flat_map(|called| arguments(called, in_plan))
        .filter_map(|argument| match argument {
            FirstArgument::Constant(bytes) => nodes::oid_of(bytes),
            FirstArgument::Other => None,
        })
        .collect()
}

fn arguments<'a>(
    called: &Called,
    in_plan: &'a Mentions,
) -> impl Iterator<Item = &'a FirstArgument> {
    in_plan
        .functions
        .get(&called.oid.to_u32())
        .into_iter()
        .flatten()
}

struct Table {
    root: pg_sys::Oid,
    is_watched: bool,
    is_temporary: bool,
    members: Vec<pg_sys::Oid>,
    state: String,
}

fn read_tables(relations: &[pg_sys::Oid], ledgers: &BTreeSet<u32>) -> Result<Vec<Table>, Failure> {
    let ledgers: Vec<pg_sys::Oid> = ledgers.iter().copied().map(pg_sys::Oid::from).collect();
    let tables = Spi::connect(|client| {
        let mut tables = Vec::new();
        for row in client.select(
            include_str!("../../../sql/cache/plan_relations.sql"),
            None,
            &[relations.to_vec().into(), ledgers.into()],
        )? {
            tables.push(Table {
                root: row.get(1)?.unwrap_or(pg_sys::InvalidOid),
                is_watched: row.get(2)?.unwrap_or_default(),
                is_temporary: row.get(3)?.unwrap_or_default(),
                members: row.get(4)?.unwrap_or_default(),
                state: row.get(5)?.unwrap_or_default(),
            });
        }
        Ok::<_, pgrx::spi::Error>(tables)
    })?;
    Ok(tables)
}

/// The name of a type of values that are written as names, if any is used so.
fn named_value(uses: &Uses) -> Result<Option<String>, Failure> {
    let oids = |oids: &mut dyn Iterator<Item = u32>| -> Vec<pg_sys::Oid> {
        oids.map(pg_sys::Oid::from).collect()
    };
    let named = Spi::connect(|client| {
        client
            .select(
                include_str!("../../../sql/cache/named_values.sql"),
                None,
                &[
                    oids(&mut uses.types.iter().copied()).into(),
                    oids(&mut uses.arguments.iter().map(|(function, _)| *function)).into(),
                    oids(&mut uses.arguments.iter().map(|(_, of)| *of)).into(),
                ],
            )?
            .first()
            .get_one::<String>()
    })?;
    Ok(named)
}

/// Functions whose text went into the plan. It holds no more than hashes of their OIDs.
fn hash_inlined(planned: &pg_sys::PlannedStmt, hash: &mut Sha256) -> Result<(), Failure> {
    // SAFETY: the items of the list are PlanInvalItems.
    let hashes: BTreeSet<u32> = unsafe {
        let list = &*planned.invalItems;
        (0..list.length as usize)
            .map(|index| {
                let item = (*list.elements.add(index)).ptr_value;
                (*item.cast::<pg_sys::PlanInvalItem>()).hashValue
            })
            .collect()
    };
    Spi::connect(|client| {
        for row in client.select(
            include_str!("../../../sql/cache/inlined_functions.sql"),
            None,
            &[],
        )? {
            let oid = row.get::<pg_sys::Oid>(1)?.unwrap_or(pg_sys::InvalidOid);
            let zero = pg_sys::Datum::from(0);
            // SAFETY: the hash of a key of the function catalog.
            let value = unsafe {
                pg_sys::GetSysCacheHashValue(
                    pg_sys::SysCacheIdentifier::PROCOID as i32,
                    pg_sys::Datum::from(oid),
                    zero,
                    zero,
                    zero,
                )
            };
            if hashes.contains(&value) {
                hash.update(oid.to_u32().to_be_bytes());
                hash.update(row.get::<String>(2)?.unwrap_or_default().as_bytes());
            }
        }
        Ok::<_, pgrx::spi::Error>(())
    })?;
    Ok(())
}

/// Functions that are not seen through may ask who is a member of which role. A change of roles
/// makes statements new, and this with them.
fn may_ask_for_roles(called: &Called) -> bool {
    called.class == Class::Hidden || called.class == Class::Pure && called.function.has_body()
}

/// Another text when roles, their attributes or memberships have changed.
fn roles() -> Result<String, Failure> {
    let roles = Spi::connect(|client| {
        client
            .select(include_str!("../../../sql/cache/roles.sql"), Some(1), &[])?
            .first()
            .get_one::<String>()
    })?;
    Ok(roles.unwrap_or_default())
}

fn name_of(called: &Called) -> String {
    format!("{}.{}()", called.function.schema, called.function.name)
}

/// What a view or a policy asks decides who sees what. The tags are those of who is asking, and
/// nobody says that they are invalidated when the answer changes.
fn asked_by_others(called: &Called) -> Obstacle {
    Obstacle {
        what: format!(
            "a view, a policy or a function that it reads through calls {}, and what that reads cannot be seen",
            name_of(called)
        ),
        hint: None,
        tags_help: false,
    }
}

/// The first reason that counts.
fn obstacle(
    functions: &[Called],
    ledgers: &BTreeSet<u32>,
    in_plan: &Mentions,
    named: Option<String>,
    tables: &[Table],
    relations: &[pg_sys::Oid],
) -> Option<Obstacle> {
    let for_ever = |what: String, hint: Option<String>| Obstacle {
        what,
        hint,
        tags_help: false,
    };
    let call = name_of;
    let planned = || functions.iter().filter(|called| called.is_in_plan);
    if in_plan.at_random {
        return Some(for_ever(
            "it takes a sample of a table or the next value of a sequence".into(),
            None,
        ));
    }
    if let Some(called) = planned().find(|called| called.class == Class::Volatile) {
        return Some(for_ever(
            format!("it calls the volatile function {}", call(called)),
            (!matches!(called.function.schema.as_str(), "pg_catalog" | "inventory_perf")).then(|| {
                "If the function neither writes nor changes its result, declare it STABLE or IMMUTABLE."
                    .into()
            }),
        ));
    }
    if in_plan.on_time || planned().any(|called| called.class == Class::OnTime) {
        return Some(for_ever(
            "its result depends on the time of day".into(),
            Some("Pass the time as a parameter, or use CURRENT_DATE.".into()),
        ));
    }
    if tables.iter().any(|table| table.is_temporary) {
        return Some(for_ever("it reads a temporary table".into(), None));
    }
    if let Some(named) = named {
        return Some(for_ever(
            format!("values of type {named} are written as names, which may change unnoticed"),
            Some("Return the OID or your own text, as in relation::oid, and look its name up outside of the cached query.".into()),
        ));
    }
    if in_plan.on_schema || planned().any(|called| called.class == Class::OnSchemas) {
        return Some(for_ever(
            "its result depends on what schemas are called".into(),
            None,
        ));
    }
    if let Some(called) = planned().find(|called| called.class == Class::OnSession) {
        return Some(for_ever(
            format!("what {} answers depends on the session", call(called)),
            None,
        ));
    }
    let is_hidden = |called: &Called| {
        called.class == Class::HiddenAsCaller
            || called.class == Class::ReadsLedger
                && (arguments(called, in_plan).any(|argument| *argument == FirstArgument::Other)
                    || ledgers.is_empty())
    };
    if let Some(called) = planned().find(|called| is_hidden(called)) {
        return Some(for_ever(
            format!("what {} reads with the caller's rights cannot be seen", call(called)),
            Some("Write it as one SELECT in LANGUAGE sql, which PostgreSQL inlines, or make it SECURITY DEFINER and pass tags.".into()),
        ));
    }
    if let Some(called) = planned().find(|called| called.class == Class::Hidden) {
        return Some(Obstacle {
            what: format!("what {} reads cannot be seen", call(called)),
            hint: Some("Pass tags that are invalidated whenever its result may change.".into()),
            tags_help: true,
        });
    }
    if tables.is_empty() {
        return Some(Obstacle {
            what: "it reads no table".into(),
            hint: None,
            tags_help: true,
        });
    }
    let table = tables.iter().find(|table| !table.is_watched)?;
    let name = relation_name(table.root);
    let hint = if relations.contains(&table.root) && table.root.to_u32() < 16384 {
        "Pass tags that are invalidated whenever its result may change.".into()
    } else {
        format!(
            "Run SELECT inventory_perf.invalidate_on_change({}), or pass tags that are invalidated whenever its result may change.",
            crate::sql::quote_literal(&name)
        )
    };
    Some(Obstacle {
        what: format!("nothing invalidates it when {name} changes"),
        hint: Some(hint),
        tags_help: true,
    })
}

fn settings(functions: &[Called], in_plan: &Mentions) -> Settings {
    let mut named = BTreeSet::new();
    let mut custom = false;
    for called in functions {
        match called.class {
            Class::ReadsSetting => {
                for argument in arguments(called, in_plan) {
                    match argument {
                        FirstArgument::Constant(bytes) => match nodes::text_of(bytes) {
                            Some(name) => named.insert(name.to_owned()),
                            None => return Settings::All,
                        },
                        FirstArgument::Other => return Settings::All,
                    };
                }
            }
            Class::Hidden => custom = true,
            // Said to be IMMUTABLE, which nobody checks, and such settings say who is asking.
            Class::Pure => custom |= called.function.has_body(),
            _ => {}
        }
    }
    if !custom {
        Settings::Named(named)
    } else if named.iter().all(|name| name.contains('.')) {
        Settings::Custom
    } else {
        Settings::All
    }
}
