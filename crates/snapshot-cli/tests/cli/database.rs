//! Directories that are no usable database: refused, said why, nothing written.

use std::fs;
use std::path::Path;

use rocksdb::{DB, Options};
use snapshot_format::Table;
use snapshot_store::schema::ColumnFamily;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, database_with_wal, fixture_bytes, make_database, names,
    object_id, row, run, tables, temp_dir,
};

/// Every command that opens databases must refuse; `create` must leave no output.
fn refused_by_all(db: &Path, words: &[&str]) {
    let dir = temp_dir();
    let output = dir.path().join("o.bin");
    let db = db.to_str().expect("UTF-8");
    let output_arg = output.to_str().expect("UTF-8");
    let commands = [
        &["create", "--db", db, "--epoch", "1", "--output", output_arg][..],
        &["create", "--db", db, "--epoch", "1", "--output", "-"],
        &["digest", "--epoch", "1", db],
        &["inspect", "--epoch", "1", db],
        &["check", "--epoch", "1", "--db", db],
        &["bench-blob-info-snapshot", "--epoch", "1", "--db-path", db],
    ];
    for args in commands {
        let outcome = run(blob_snapshot().args(args)).refused(3, &[&[db], words].concat());
        assert_eq!(outcome.text(), "", "{args:?}");
    }
    assert_eq!(names(dir.path()), [""; 0], "nothing is written");
}

fn create(db: &Path, args: &[&str]) -> Outcome {
    let mut command = blob_snapshot();
    command
        .args(["create", "--epoch", "11", "--output", "-", "--db"])
        .arg(db);
    run(command.args(args))
}

#[test]
fn what_is_no_database_is_refused_and_stays_as_it_is() {
    let dir = temp_dir();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).expect("mkdir");
    refused_by_all(&empty, &["is not a RocksDB database", "CURRENT"]);
    assert_eq!(names(&empty), [""; 0]);

    fs::write(empty.join("notes.txt"), "mine").expect("write");
    refused_by_all(&empty, &["is not a RocksDB database"]);
    assert_eq!(names(&empty), ["notes.txt"]);
}

#[test]
fn a_directory_that_is_missing_or_a_file_is_refused() {
    let dir = temp_dir();
    create(&dir.path().join("none"), &[]).refused(3, &["none", "No such file"]);
    let file = dir.path().join("file");
    fs::write(&file, "x").expect("write");
    create(&file, &[]).refused(3, &["file", "Not a directory"]);
}

#[test]
fn the_directory_above_a_checkpoint_is_refused_with_a_hint() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    refused_by_all(dir.path(), &["did you mean", db.to_str().expect("UTF-8")]);
}

#[test]
fn a_backup_repository_is_refused_with_a_hint() {
    let dir = temp_dir();
    for name in ["meta", "private", "shared_checksum"] {
        fs::create_dir(dir.path().join(name)).expect("mkdir");
    }
    refused_by_all(dir.path(), &["backup repository", "restore"]);
}

#[test]
fn a_missing_column_family_is_named() {
    for missing in tables() {
        let dir = temp_dir();
        let db = dir.path().join("db");
        let others: Vec<ColumnFamily> = ColumnFamily::ALL
            .into_iter()
            .filter(|family| *family != missing)
            .collect();
        drop(make_database(&db, &others));
        refused_by_all(&db, &["no column family", missing.name()]);
    }
}

#[test]
fn other_column_families_are_no_hindrance() {
    let dir = temp_dir();
    let db = dir.path().join("db");
    {
        let mut db = make_database(&db, &tables());
        for number in 0..40 {
            let name = format!("shard-{number}/primary-slivers");
            db.create_cf(&name, &Options::default())
                .expect("a column family");
            let family = db.cf_handle(&name).expect("just made");
            db.put_cf(family, b"key", b"value").expect("put");
        }
        let family = db.cf_handle(Table::PerObjectBlobInfo.name()).expect("made");
        db.put_cf(family, object_id(1).as_bytes(), row(1).encode())
            .expect("put");
    }
    let outcome = create(&db, &[]).exits(0);
    assert!(outcome.stderr.contains("1 rows"), "{}", outcome.stderr);
}

#[test]
fn a_value_that_does_not_decode_is_refused_with_table_and_key() {
    let good = row(1).encode();
    let longer = [&good[..], b"\0"].concat();
    let newer = [b"\x01", &good[1..]].concat();
    let cases = [
        (&b""[..], "ends early"),
        (&good[..80], "ends early"),
        (&longer, "1 bytes follow"),
        (&newer, "variant"),
        (&b"\0garbage"[..], "ends early"),
    ];
    for (value, why) in cases {
        for flushed in [false, true] {
            for table in Table::ALL {
                let dir = temp_dir();
                let path = dir.path().join("db");
                let key = object_id(7);
                let value = if table == Table::PerObjectBlobInfo {
                    value
                } else {
                    &b"\x07"[..]
                };
                let why = if table == Table::PerObjectBlobInfo {
                    why
                } else {
                    "variant"
                };
                write(&path, table, flushed, |db, family| {
                    db.put_cf(family, key.as_bytes(), value).expect("put");
                });
                create(&path, &[]).refused(3, &[table.name(), &key.to_string(), why]);
            }
        }
    }
}

#[test]
fn a_key_that_is_no_object_id_is_refused() {
    let dir = temp_dir();
    let path = dir.path().join("db");
    write(&path, Table::PerObjectBlobInfo, true, |db, family| {
        db.put_cf(family, b"short", row(1).encode()).expect("put");
    });
    let words = ["per_object_blob_info", "73686f7274", "5 bytes"];
    create(&path, &[]).refused(3, &words);
}

#[test]
fn an_operand_that_does_not_decode_or_fit_is_refused_with_table_and_key() {
    // Certify, of an object that nobody registered: the operand is sound, but does not fit.
    let mut certify = vec![1];
    certify.extend([9; 32]);
    certify.push(0);
    certify.extend([1, 0, 0, 0, 9, 0, 0, 0]);
    certify.push(0x20);
    certify.extend([3; 32]);
    certify.extend([0; 8]);
    for operand in [
        &b""[..],
        b"\xff",
        b"garbage that is no operand of any table",
        &certify,
    ] {
        for table in Table::ALL {
            for flushed in [false, true] {
                let dir = temp_dir();
                let path = dir.path().join("db");
                let key = object_id(7);
                write(&path, table, flushed, |db, family| {
                    db.merge_cf(family, key.as_bytes(), operand).expect("merge");
                });
                create(&path, &[]).refused(3, &[table.name(), &key.to_string(), "operand"]);
            }
        }
    }
}

/// Makes a database with something in `table`, in an SST file or still in the WAL.
fn write(path: &Path, table: Table, flushed: bool, fill: impl FnOnce(&DB, &rocksdb::ColumnFamily)) {
    let db = make_database(path, &tables());
    let family = db.cf_handle(table.name()).expect("just made");
    fill(&db, family);
    if flushed {
        db.flush_cf(family).expect("the table is flushed");
    }
}

#[test]
fn a_missing_table_file_is_refused() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let mut refused = 0;
    for name in names(&db).into_iter().filter(|name| name.ends_with(".sst")) {
        let away = dir.path().join(&name);
        fs::rename(db.join(&name), &away).expect("rename");
        let outcome = create(&db, &[]);
        if outcome.code == Some(0) {
            // A file of another table.
            assert_eq!(
                outcome.stdout,
                fixture_bytes("sealed.bin"),
                "without {name}"
            );
        } else {
            outcome.refused(3, &[&name]);
            refused += 1;
        }
        fs::rename(&away, db.join(&name)).expect("rename");
    }
    assert!(
        refused >= 3,
        "each table has a file, but {refused} were missed"
    );
}

#[test]
fn a_torn_wal_is_refused_or_taken_with_a_warning_if_told() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    let wal = db.join("000022.log");
    let bytes = fs::read(&wal).expect("read");
    fs::write(&wal, &bytes[..bytes.len() - 7]).expect("write");
    create(&db, &[]).refused(3, &["000022.log", "--wal-recovery"]);
    for mode in ["tolerate-torn-tail", "point-in-time"] {
        let outcome = create(&db, &["--wal-recovery", mode]).exits(0);
        let warned = outcome.stderr.lines().any(|line| {
            line.starts_with("warning: ") && line.contains("000022.log") && line.contains("missing")
        });
        assert!(warned, "{}", outcome.stderr);
    }

    // In the middle, only point-in-time goes on.
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(&wal, flipped).expect("write");
    create(&db, &[]).refused(3, &["000022.log", "damaged", "point-in-time"]);
    create(&db, &["--wal-recovery", "tolerate-torn-tail"]).refused(3, &["000022.log", "damaged"]);
    let outcome = create(&db, &["--wal-recovery", "point-in-time", "--json"]).exits(0);
    assert_ne!(outcome.stdout, fixture_bytes("sealed.bin"));
    let report = outcome.stderr.lines().last().expect("a report");
    let report: serde_json::Value = serde_json::from_str(report).expect("JSON");
    assert_eq!(
        report["warnings"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
}

#[test]
fn a_database_without_rows_is_a_snapshot_without_rows() {
    let dir = temp_dir();
    let path = dir.path().join("checkpoint_epoch_1");
    drop(make_database(&path, &tables()));
    let mut command = blob_snapshot();
    let outcome = run(command
        .current_dir(dir.path())
        .args(["create", "--db"])
        .arg(&path))
    .exits(0);
    assert!(
        outcome.text().contains("epoch 1, 0 rows"),
        "{}",
        outcome.text()
    );
    let mut command = blob_snapshot();
    command
        .current_dir(dir.path())
        .args(["bench-blob-info-snapshot", "--db-path"])
        .arg(&path);
    assert!(run(&mut command).exits(0).text().contains("0 rows"));
}
