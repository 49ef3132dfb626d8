//! The column names by which roles are recognized, all in lower case.

pub const TENANT: &[&str] = &[
    "tenant_id",
    "tenant",
    "company_id",
    "company",
    "organization_id",
    "organisation_id",
    "org_id",
];

pub const PRODUCT: &[&str] = &[
    "product_id",
    "product",
    "item_id",
    "item",
    "sku",
    "sku_id",
    "variant_id",
    "product_variant_id",
    "material_id",
    "article_id",
    "part_id",
];

pub const LOCATION: &[&str] = &[
    "location_id",
    "location",
    "warehouse_id",
    "warehouse",
    "store_id",
    "store",
    "site_id",
    "bin_id",
    "depot_id",
];

pub const QUANTITY: &[&str] = &[
    "quantity",
    "qty",
    "quantity_change",
    "qty_change",
    "change_qty",
    "delta",
    "delta_qty",
    "quantity_delta",
    "signed_quantity",
];

pub const MOVED_AT: &[&str] = &[
    "moved_at",
    "moved_on",
    "move_date",
    "movement_date",
    "moved_date",
    "occurred_at",
    "transaction_date",
    "transaction_at",
    "effective_date",
    "effective_at",
    "posting_date",
    "posted_at",
    "stock_date",
    "date",
    "event_date",
    "happened_at",
];

/// When a row was written is only the second-best guess at when the stock moved.
pub const WRITTEN_AT: &[&str] = &["created_at"];

/// A destination that is named after a source without a prefix.
pub const DESTINATION_OF_LOCATION: &str = "location_dest_id";
pub const SOURCE_OF_DESTINATION: &str = "location_id";

const SOURCE_PREFIXES: &[&str] = &["from_", "source_", "src_"];
const DESTINATION_PREFIXES: &[&str] = &["to_", "dest_", "destination_", "target_"];
const PLACES: &[&str] = &["location", "warehouse", "store", "site", "bin"];

/// The kind of place that a source column such as `from_warehouse_id` names.
pub fn source_place(name: &str) -> Option<&'static str> {
    place(name, SOURCE_PREFIXES)
}

/// The kind of place that a destination column such as `to_warehouse_id` names.
pub fn destination_place(name: &str) -> Option<&'static str> {
    if name == DESTINATION_OF_LOCATION {
        return Some("location");
    }
    place(name, DESTINATION_PREFIXES)
}

fn place(name: &str, prefixes: &[&str]) -> Option<&'static str> {
    let rest = prefixes
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let rest = rest.strip_suffix("_id").unwrap_or(rest);
    PLACES.iter().find(|place| **place == rest).copied()
}
