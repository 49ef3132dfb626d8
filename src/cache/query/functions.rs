//! Which functions a result may depend on and still be cached.

/// What the catalog says of a function.
#[derive(Debug, Clone)]
pub struct Function {
    pub schema: String,
    pub name: String,
    pub argument_count: i16,
    pub volatility: char,
    pub security_definer: bool,
    pub language: String,
}

impl Function {
    /// A body that somebody wrote here, not code of PostgreSQL's own or of a library.
    pub fn has_body(&self) -> bool {
        self.schema != "pg_catalog" && !matches!(self.language.as_str(), "internal" | "c")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Its arguments decide, with settings that every key covers.
    Pure,
    /// current_setting()
    ReadsSetting,
    /// A function of this extension that answers for the ledger its first argument names.
    ReadsLedger,
    /// It may read any table or setting, but none with the rights of its caller.
    Hidden,
    /// It may read any table with the rights of its caller, which nobody would check on a hit.
    HiddenAsCaller,
    /// The clock decides.
    OnTime,
    /// The session decides.
    OnSession,
    /// Which schemas there are decides, and what they are called.
    OnSchemas,
    Volatile,
}

/// Stable functions of PostgreSQL that depend on nothing but their arguments, the role, the
/// database, and the settings that every key covers.
const PURE: [&str; 64] = [
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "current_database",
    "current_user",
    "date",
    "date_part",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "getdatabaseencoding",
    "getpgusername",
    "in_range",
    "interval_pl_timestamptz",
    "length",
    "make_timestamptz",
    "money",
    "numeric",
    "overlaps",
    "pg_typeof",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "session_user",
    "textanycat",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "ts_parse",
    "version",
    "websearch_to_tsquery",
    "xml",
    "xml_is_well_formed",
    // Input and output of types.
    "array_in",
    "array_out",
    "date_in",
    "date_out",
    "enum_in",
    "enum_out",
    "record_out",
];

const PURE_PREFIXES: [&str; 12] = [
    "json_",
    "jsonb_",
    "date_eq_",
    "date_ne_",
    "date_lt_",
    "date_le_",
    "date_gt_",
    "date_ge_",
    "date_cmp_",
    "time_",
    "timestamp_",
    "timestamptz_",
];

/// What they answer is another thing in another session of the same role.
const ON_SESSION: [&str; 10] = [
    "current_query",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "pg_backend_pid",
    "pg_current_xact_id_if_assigned",
    "pg_is_other_temp_schema",
    "pg_my_temp_schema",
    "txid_current_if_assigned",
];

const ON_TIME: [&str; 5] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "timeofday",
];

pub fn class(function: &Function) -> Class {
    let name = function.name.as_str();
    let is_built_in =
        function.schema == "pg_catalog" && matches!(function.language.as_str(), "internal" | "sql");
    if is_built_in && ON_TIME.contains(&name) {
        return Class::OnTime;
    }
    match function.volatility {
        'v' => return Class::Volatile,
        'i' => return Class::Pure,
        _ => {}
    }
    if is_built_in {
        return match name {
            "current_setting" => Class::ReadsSetting,
            "current_schema" | "current_schemas" => Class::OnSchemas,
            _ if ON_SESSION.contains(&name) => Class::OnSession,
            // age(timestamp) counts from today.
            "age" if function.argument_count == 2 => Class::Pure,
            "age" => Class::OnTime,
            _ if PURE.contains(&name) => Class::Pure,
            _ if PURE_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Class::Pure,
            _ => Class::Hidden,
        };
    }
    if function.schema == "inventory_perf" && function.language == "c" {
        return Class::ReadsLedger;
    }
    if function.security_definer || function.language == "c" {
        Class::Hidden
    } else {
        Class::HiddenAsCaller
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    fn of(schema: &str, name: &str, volatility: char, language: &str) -> Class {
        class(&Function {
            schema: schema.into(),
            name: name.into(),
            argument_count: 1,
            volatility,
            security_definer: false,
            language: language.into(),
        })
    }

    #[test]
    fn built_in_functions() {
        let built_in = |name, volatility| of("pg_catalog", name, volatility, "internal");
        assert_eq!(built_in("int4pl", 'i'), Class::Pure);
        assert_eq!(built_in("to_char", 's'), Class::Pure);
        assert_eq!(built_in("jsonb_agg", 's'), Class::Pure);
        assert_eq!(built_in("timestamptz_lt_date", 's'), Class::Pure);
        assert_eq!(built_in("now", 's'), Class::OnTime);
        assert_eq!(built_in("age", 's'), Class::OnTime);
        assert_eq!(built_in("random", 'v'), Class::Volatile);
        assert_eq!(built_in("current_setting", 's'), Class::ReadsSetting);
        assert_eq!(built_in("pg_show_all_settings", 's'), Class::Hidden);
        assert_eq!(built_in("current_schema", 's'), Class::OnSchemas);
        assert_eq!(built_in("inet_client_addr", 's'), Class::OnSession);
    }

    #[test]
    fn functions_of_users() {
        assert_eq!(of("public", "f", 'i', "plpgsql"), Class::Pure);
        assert_eq!(of("public", "f", 's', "plpgsql"), Class::HiddenAsCaller);
        assert_eq!(of("public", "f", 's', "c"), Class::Hidden);
        assert_eq!(of("public", "f", 'v', "sql"), Class::Volatile);
        // A name of PostgreSQL's own in another schema is another function.
        assert_eq!(of("public", "to_char", 's', "sql"), Class::HiddenAsCaller);
        let definer = Function {
            schema: "public".into(),
            name: "f".into(),
            argument_count: 0,
            volatility: 's',
            security_definer: true,
            language: "plpgsql".into(),
        };
        assert_eq!(class(&definer), Class::Hidden);
    }

    #[test]
    fn functions_of_the_extension() {
        assert_eq!(
            of("inventory_perf", "opening_month", 's', "c"),
            Class::ReadsLedger
        );
        assert_eq!(of("inventory_perf", "cache_get", 'v', "c"), Class::Volatile);
        assert_eq!(of("inventory_perf", "check_day", 'i', "c"), Class::Pure);
    }
}
