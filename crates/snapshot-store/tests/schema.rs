//! The schema against the table of `docs/tables.md`.

use snapshot_format::Table;
use snapshot_store::schema::{ColumnFamily, EVENT_CURSOR_KEY, LATEST_HANDLED_EVENT_INDEX_KEY};

#[test]
fn names_of_column_families_and_merge_operators() {
    let names = ColumnFamily::ALL.map(|family| (family.name(), family.merge_operator_name()));
    assert_eq!(
        names,
        [
            ("per_object_blob_info", Some("merge per object blob info")),
            (
                "per_object_pooled_blob_info",
                Some("merge per object pooled blob info")
            ),
            ("storage_pool_info", Some("merge storage pool info")),
            ("aggregate_blob_info", Some("merge blob info")),
            ("latest_handled_event_index", None),
            ("event_cursor", Some("update_cursor_and_progress")),
        ]
    );
}

#[test]
fn names_and_families_are_one_to_one() {
    for family in ColumnFamily::ALL {
        assert_eq!(ColumnFamily::from_name(family.name()), Some(family));
        assert_eq!(family.to_string(), family.name());
    }
    for other in ["", "default", "metadata", "event_cursor "] {
        assert_eq!(ColumnFamily::from_name(other), None);
    }
}

#[test]
fn tables_of_a_snapshot_are_column_families() {
    for table in Table::ALL {
        assert_eq!(ColumnFamily::from(table).name(), table.name());
    }
}

#[test]
fn keys_of_the_families_with_one_row() {
    assert_eq!(EVENT_CURSOR_KEY, [0x63, 0x75, 0x72, 0x73, 0x6f, 0x72]);
    assert_eq!(LATEST_HANDLED_EVENT_INDEX_KEY, [0_u8; 0]);
}
