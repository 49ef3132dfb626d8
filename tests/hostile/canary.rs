//! Functions that tell whose rights they run with.
//!
//! They warn, as a warning reaches the log out of read-only transactions and security-restricted
//! operations as well, and where they run as a superuser they try to become one.

/// Sessions in which PostgreSQL itself runs a hostile role's code with the rights of the one who
/// uses its objects: who writes to its table, or reads its view.
pub const AT_OWN_RISK: &str = "at own risk";

/// Sessions of a superuser that asks for advice, among other things: statements that a role has run
/// are planned as that role, which has run the same code before.
pub const MAINTENANCE: &str = "maintenance";

/// Those who use what hostile roles own.
const USERS: [&str; 2] = ["reader", "writer"];

/// Roles, and those that have been granted them: what one of these plants on its table
/// runs as the other once the table is given to it, as PostgreSQL has it.
pub const GRANTED: [(&str, &str); 3] = [
    ("owner", "member"),
    ("accomplice", "stranger"),
    ("accomplice", "owner"),
];

/// Makes `schema.canary(text)` and functions that call it in the ways that code can be planted.
pub fn functions(schema: &str, role: &str) -> String {
    let canary = format!(
        "CREATE FUNCTION {schema}.canary(place text) RETURNS boolean
         LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 1 AS $canary$
         BEGIN
             RAISE WARNING 'canary of {role} ran as <%> at %', current_user, place;
             IF current_setting('is_superuser') = 'on'
                 OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
             THEN
                 BEGIN
                     PERFORM {schema}.grab();
                 EXCEPTION WHEN OTHERS THEN NULL;
                 END;
             END IF;
             RETURN true;
         END $canary$;
         CREATE FUNCTION {schema}.grab() RETURNS void LANGUAGE plpgsql VOLATILE AS $grab$
         BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; END $grab$;"
    );
    let planted = format!(
        "CREATE FUNCTION {schema}.canary_int(int) RETURNS int LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
             AS $c$ BEGIN PERFORM {schema}.canary('int'); RETURN $1; END $c$;
         CREATE FUNCTION {schema}.canary_text(text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
             AS $c$ BEGIN PERFORM {schema}.canary('text'); RETURN $1; END $c$;
         CREATE FUNCTION {schema}.canary_date(date) RETURNS date LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
             AS $c$ BEGIN PERFORM {schema}.canary('date'); RETURN $1; END $c$;
         CREATE FUNCTION {schema}.canary_row() RETURNS trigger LANGUAGE plpgsql
             AS $c$ BEGIN PERFORM {schema}.canary('trigger'); RETURN coalesce(NEW, OLD); END $c$;
         CREATE FUNCTION {schema}.canary_equal(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
             AS $c$ BEGIN PERFORM {schema}.canary('int ==='); RETURN $1 = $2; END $c$;
         CREATE FUNCTION {schema}.canary_same(text, text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
             AS $c$ BEGIN PERFORM {schema}.canary('text ==='); RETURN $1 = $2; END $c$;
         CREATE OPERATOR {schema}.=== (LEFTARG = int, RIGHTARG = int,
             FUNCTION = {schema}.canary_equal, RESTRICT = eqsel, JOIN = eqjoinsel);
         CREATE OPERATOR {schema}.=== (LEFTARG = text, RIGHTARG = text,
             FUNCTION = {schema}.canary_same, RESTRICT = eqsel, JOIN = eqjoinsel);
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO PUBLIC;"
    );
    canary + &planted
}

/// The log's lines of canaries that ran as somebody whose rights they should not have had.
pub fn strayed(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .filter(|line| has_strayed(line))
        .cloned()
        .collect()
}

fn has_strayed(line: &str) -> bool {
    let Some((before, told)) = line.split_once("WARNING:  canary of ") else {
        return false;
    };
    let Some((role, told)) = told.split_once(" ran as <") else {
        return false;
    };
    let Some((runner, _)) = told.split_once('>') else {
        return false;
    };
    let is_own_choice = before.contains(AT_OWN_RISK) && runner != "postgres"
        || before.contains(MAINTENANCE) && USERS.contains(&runner)
        || GRANTED.contains(&(runner, role));
    runner != role && !is_own_choice
}

/// Whether any canary ran at all: if none did, a test of rights shows nothing.
pub fn sang(lines: &[String]) -> bool {
    lines
        .iter()
        .any(|line| line.contains("WARNING:  canary of "))
}
