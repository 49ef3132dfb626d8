//! Whose rights count.

use super::*;

#[test]
fn rights_count_on_every_call() {
    let shop = Shop::open();
    let (mut owner, mut seller) = (shop.client(), shop.as_role("seller"));
    assert_eq!(tagged(&mut seller, TOTAL), "30");
    owner.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(tagged(&mut seller, TOTAL), "30");
    // an answer is its role's alone
    assert_eq!(tagged(&mut shop.as_role("buyer"), TOTAL), "31");
    let refused = |client: &mut Client, query: &str| {
        let call =
            format!("SELECT * FROM inventory_perf.cached_query('{query}', tags => '{{shop}}')");
        assert_eq!(
            client.refusal_code(&call),
            SqlState::INSUFFICIENT_PRIVILEGE,
            "{query}"
        );
    };
    refused(&mut shop.as_role("stranger"), TOTAL);
    owner.run("REVOKE SELECT ON stock FROM seller");
    refused(&mut seller, TOTAL);
    owner.run("GRANT SELECT (id) ON stock TO seller");
    refused(&mut seller, TOTAL);
    owner.run("GRANT SELECT (level) ON stock TO seller");
    assert_eq!(tagged(&mut seller, TOTAL), "30");

    // functions, inlined or not, and operators
    owner.run(
        "CREATE FUNCTION doubled(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 2; END';
         CREATE FUNCTION halved(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
         CREATE FUNCTION bigger(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 > $2; END';
         CREATE OPERATOR >>> (LEFTARG = int, RIGHTARG = int, FUNCTION = bigger)",
    );
    for (query, function) in [
        (
            "SELECT doubled(level) FROM stock WHERE id = 2",
            "doubled(int)",
        ),
        (
            "SELECT halved(level) FROM stock WHERE id = 2",
            "halved(int)",
        ),
        ("SELECT level FROM stock WHERE id >>> 1", "bigger(int, int)"),
    ] {
        let before = tagged(&mut seller, query);
        owner.run("UPDATE stock SET level = level + 10 WHERE id = 2");
        assert_eq!(tagged(&mut seller, query), before, "{query}");
        owner.run(&format!(
            "REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"
        ));
        refused(&mut seller, query);
        owner.run(&format!("GRANT EXECUTE ON FUNCTION {function} TO PUBLIC"));
        tagged(&mut seller, query);
    }

    // a view gives its owner's rights, while the caller may read it
    owner.run(
        "CREATE VIEW levels AS SELECT sum(level) FROM stock;
         GRANT SELECT ON levels TO stranger",
    );
    let mut stranger = shop.as_role("stranger");
    tagged(&mut stranger, "SELECT * FROM levels");
    owner.run("REVOKE SELECT ON levels FROM stranger");
    refused(&mut stranger, "SELECT * FROM levels");
}

#[test]
fn row_level_security_separates_what_is_cached() {
    let shop = Shop::open();
    let mut owner = shop.client();
    owner.run(
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY;
         CREATE POLICY tenant ON stock TO seller, buyer
             USING (tenant = current_setting('app.tenant', true)::int);
         CREATE POLICY crew ON stock TO crew USING (true)",
    );
    let mut seller = shop.as_role("seller");
    let as_tenant = |client: &mut Client, tenant: &str| {
        client.run(&format!("SET app.tenant = '{tenant}'"));
        tagged(client, TOTAL)
    };
    for _ in 0..2 {
        assert_eq!(as_tenant(&mut seller, "1"), "10");
        assert_eq!(as_tenant(&mut seller, "2"), "20");
    }
    owner.run("UPDATE stock SET level = level + 1");
    assert_eq!(as_tenant(&mut seller, "1"), "10");
    assert_eq!(as_tenant(&mut seller, "2"), "20");
    // a setting of the transaction
    seller.run("BEGIN; SET LOCAL app.tenant = '1'");
    assert_eq!(tagged(&mut seller, TOTAL), "10");
    seller.run("COMMIT");
    assert_eq!(tagged(&mut seller, TOTAL), "20");
    // a policy that comes or goes, and a role that one has or loses
    owner.run("GRANT crew TO seller");
    assert_eq!(tagged(&mut seller, TOTAL), "32");
    owner.run("REVOKE crew FROM seller");
    assert_eq!(tagged(&mut seller, TOTAL), "20");
    owner.run("ALTER POLICY tenant ON stock USING (tenant = 1)");
    assert_eq!(tagged(&mut seller, TOTAL), "11");
    owner.run("ALTER TABLE stock DISABLE ROW LEVEL SECURITY");
    assert_eq!(tagged(&mut seller, TOTAL), "32");
    // whoever row-level security refuses is refused on a hit
    owner.run("ALTER TABLE stock ENABLE ROW LEVEL SECURITY");
    seller.run("SET row_security = off");
    let call = format!("SELECT * FROM inventory_perf.cached_query('{TOTAL}', tags => '{{shop}}')");
    assert_eq!(seller.refusal_code(&call), SqlState::INSUFFICIENT_PRIVILEGE);
}

#[test]
fn a_definers_function_reads_with_the_definers_rights() {
    let shop = Shop::open();
    let mut owner = shop.client();
    owner.run(
        "ALTER TABLE stock ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON stock TO seller, buyer USING (CASE current_user WHEN 'seller' THEN id = 1 ELSE id = 2 END);
         CREATE SCHEMA AUTHORIZATION buyer;
         SET ROLE buyer;
         CREATE FUNCTION buyer.total() RETURNS text LANGUAGE sql SECURITY DEFINER AS
             $f$SELECT string_agg(q::text, ',') FROM inventory_perf.cached_query('SELECT sum(level) FROM public.stock', tags => '{shop}') AS q$f$;
         GRANT USAGE ON SCHEMA buyer TO seller",
    );
    let mut seller = shop.as_role("seller");
    const DIRECT: &str = "SELECT sum(level) FROM public.stock";
    for _ in 0..2 {
        assert_eq!(tagged(&mut seller, DIRECT), "10");
        let answer: String = seller.ask("SELECT buyer.total()");
        assert_eq!(answer, "{\"sum\": 20}");
    }
}

#[test]
fn what_only_claims_to_be_immutable_may_read_who_is_asking() {
    let shop = Shop::watched();
    let mut client = shop.as_role("seller");
    shop.client().run(
        "CREATE FUNCTION is_own(tenant int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql
             AS 'BEGIN RETURN tenant = current_setting(''shop.tenant'')::int; END'",
    );
    for (tenant, level) in [(1, "10"), (2, "20"), (1, "10")] {
        client.run(&format!("SET shop.tenant = {tenant}"));
        assert_eq!(
            cached(&mut client, "SELECT level FROM stock WHERE is_own(tenant)"),
            level
        );
    }
    assert_eq!(shop.names("query").len(), 2);
}

#[test]
fn warming_fills_for_the_role_that_warms() {
    let shop = Shop::open();
    shop.client().run(
        "GRANT EXECUTE ON FUNCTION inventory_perf.register_cached_query, inventory_perf.cache_warm TO seller",
    );
    let (mut owner, mut seller) = (shop.client(), shop.as_role("seller"));
    seller.run(&format!(
        "SELECT inventory_perf.register_cached_query('total', '{TOTAL}', tags => '{{shop}}')"
    ));
    let warm = "SELECT name, rows, stored FROM inventory_perf.cache_warm('total')";
    assert_eq!(seller.rows(warm), ["(total,1,t)"]);
    owner.run("UPDATE stock SET level = 11 WHERE id = 1");
    assert_eq!(tagged(&mut shop.as_role("seller"), TOTAL), "30");
    assert_eq!(seller.rows(warm), ["(total,1,t)"]);
    assert_eq!(tagged(&mut shop.as_role("seller"), TOTAL), "31");
    assert_eq!(tagged(&mut shop.as_role("buyer"), TOTAL), "31");
    seller.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    assert_eq!(seller.rows(warm), ["(total,1,f)"]);
    seller.run("COMMIT");
}
