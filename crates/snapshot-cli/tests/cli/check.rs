//! `check`: whether tables agree, and each place where they do not.

use std::path::Path;

use rocksdb::DB;
use snapshot_store::schema::ColumnFamily;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, fixture, make_database, names, run, tables, temp_dir,
};

fn check(db: &Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().args(["check", "--db"]).arg(db).args(args))
}

/// Opens a database for writing.
fn open(db: &Path) -> DB {
    make_database(db, &ColumnFamily::ALL)
}

#[test]
fn a_node_s_database_is_in_order_and_stays_as_it_is() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let before = names(&db);
    let outcome = check(&db, &["--epoch", "11"]).exits(0);
    let expected = format!(
        "{}: ok, 300 objects, 18 storage pools, 284 aggregate rows (6 invalid, 30 awaiting collection)\n",
        db.display()
    );
    assert_eq!(outcome.text(), expected);
    assert_eq!(outcome.stderr, "");
    assert_eq!(names(&db), before);
    let json = check(&db, &["--json"]).exits(0).json();
    assert_eq!(
        (&json["ok"], &json["violations"]),
        (&true.into(), &0.into())
    );
    assert_eq!(json["rows"]["per_object_blob_info"], 234);
    assert_eq!(json["latest_handled_event_index"], 35_937);
}

#[test]
fn each_violation_has_a_line_with_its_key() {
    let dir = temp_dir();
    let db = dir.path().join("db");
    run(blob_snapshot()
        .arg("restore")
        .arg(fixture("counted.bin"))
        .arg("--db")
        .arg(&db))
    .exits(0);
    {
        let open = open(&db);
        let family = open.cf_handle("per_object_blob_info").expect("a table");
        open.put_cf(family, [0xab; 32], b"\x00").expect("put");
        let family = open.cf_handle("aggregate_blob_info").expect("a table");
        open.put_cf(family, b"key", b"\x00").expect("put");
    }
    let outcome = check(&db, &[]).exits(1);
    let text = outcome.text();
    let lines: Vec<&str> = text.lines().collect();
    let object = format!(
        "per_object_blob_info 0x{}: the value is not canonical",
        "ab".repeat(32)
    );
    assert!(lines[0].starts_with(&object), "{text}");
    assert_eq!(
        lines[1],
        "aggregate_blob_info 0x6b6579: the key has 3 bytes, expected 32"
    );
    assert!(lines[2].contains("2 violations"), "{text}");
    let json = check(&db, &["--json"]).exits(1).json();
    assert_eq!(
        (&json["ok"], &json["violations"]),
        (&false.into(), &2.into())
    );
    assert_eq!(json["listed"][1]["table"], "aggregate_blob_info");
    assert_eq!(json["listed"][1]["key"], "0x6b6579");
}

#[test]
fn what_cannot_be_checked_is_refused() {
    let dir = temp_dir();
    check(dir.path(), &[]).refused(3, &["is not a RocksDB database"]);
    let db = dir.path().join("db");
    drop(make_database(&db, &tables()));
    check(&db, &[]).refused(3, &["no column family", "aggregate_blob_info"]);
    let db = checkpoint(dir.path());
    check(&db, &["--scratch-dir", "/nonexistent"]).refused(3, &["/nonexistent", "No such file"]);
}
