//! `fingerprint`: the document of each kind of input, in both framings.

use std::fs;

use serde_json::Value;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, counted_digest, cursor, database_with_wal, fixture_bytes,
    run, run_with_input, sealed_digest, temp_dir,
};
use crate::diff::snapshots;
use crate::verify::write_chunk;

fn fingerprint_in(dir: &std::path::Path, args: &[&str]) -> Outcome {
    run(blob_snapshot()
        .current_dir(dir)
        .arg("fingerprint")
        .args(args))
}

#[test]
fn rows_have_one_fingerprint_wherever_they_are() {
    let dir = temp_dir();
    snapshots(dir.path());
    checkpoint(dir.path());
    database_with_wal(dir.path());
    let document = |args: &[&str]| -> Value {
        let outcome = fingerprint_in(dir.path(), args).exits(0);
        assert!(outcome.stdout.len() < 16 * 1024, "{}", outcome.stdout.len());
        outcome.json()
    };
    let sealed = document(&["s.bin"]);
    let others = [
        document(&["c.bin"]),
        document(&["checkpoint_epoch_11"]),
        document(&["db_boundary_unflushed", "--epoch", "11"]),
    ];
    for other in &others {
        assert_eq!(other["content"], sealed["content"]);
        assert_eq!(other["tables"], sealed["tables"]);
    }
    assert_eq!(sealed["fingerprint"], 1);
    assert_eq!(sealed["rows"], 318);
    assert_eq!(sealed["input"], "s.bin");
    assert_eq!(
        (&sealed["kind"], &others[1]["kind"]),
        (&"file".into(), &"database".into())
    );
    assert_eq!(others[1]["header"]["epoch"], 11);
}

#[test]
fn the_digests_are_those_of_both_framings() {
    let dir = temp_dir();
    snapshots(dir.path());
    let db = checkpoint(dir.path());
    let digests = |args: &[&str]| {
        let json = fingerprint_in(dir.path(), args).exits(0).json();
        let text = |name: &str| json["digests"][name].as_str().map(str::to_owned);
        (text("sealed"), text("counted"))
    };
    // A sealed snapshot without a cursor has no counted form.
    assert_eq!(digests(&["s.bin"]), (Some(sealed_digest()), None));
    // With the cursor of the counted file, both are those that `digest` prints.
    let cursor = cursor();
    let cursor: Vec<&str> = cursor.iter().map(String::as_str).collect();
    let of_db = digests(&[&["checkpoint_epoch_11"][..], &cursor].concat());
    let of_file = digests(&["c.bin"]);
    assert_eq!(of_db, of_file);
    assert_eq!(of_file.1, Some(counted_digest()));
    let sealed = run(blob_snapshot().arg("digest").arg(&db).args(&cursor)).exits(0);
    let digest = sealed.text().split_whitespace().next().map(str::to_owned);
    assert_eq!(of_file.0, digest);
    // And from a sealed file with that cursor.
    let mut create = blob_snapshot();
    create
        .current_dir(dir.path())
        .args(["create", "--output", "with.bin", "--db"]);
    run(create.arg(&db).args(&cursor)).exits(0);
    assert_eq!(digests(&["with.bin"]), of_file);

    let mut command = blob_snapshot();
    command.args(["fingerprint", "-"]);
    let outcome = run_with_input(&mut command, fixture_bytes("counted.bin")).exits(0);
    assert_eq!(outcome.json()["digests"]["counted"], counted_digest());
    assert_eq!(outcome.json()["digests"]["sealed"], Value::Null);
    assert!(outcome.stderr.contains("give a file"), "{}", outcome.stderr);
}

#[test]
fn a_range_a_key_and_nothing_can_be_looked_at() {
    let dir = temp_dir();
    snapshots(dir.path());
    let range = |args: &[&str]| {
        let json = fingerprint_in(dir.path(), &[&["c.bin"], args].concat())
            .exits(0)
            .json();
        assert_eq!(json["tables"]["per_object_blob_info"]["rows"], 234);
        let others = [
            &json["tables"]["per_object_pooled_blob_info"]["range"],
            &json["tables"]["storage_pool_info"]["range"],
        ];
        assert_eq!(others, [&Value::Null, &Value::Null]);
        json["tables"]["per_object_blob_info"]["range"].clone()
    };
    let table = ["--table", "per_object_blob_info"];
    let all = range(&table);
    assert_eq!(all["rows"], 234);
    assert_eq!(all["counts"].as_array().map(Vec::len), Some(256));
    let first = &fixture_bytes("counted.bin")[4 + 4 + 1 + 54 + 1 + 8 + 1..][..32];
    let key: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
    let keys = range(&[&table[..], &["--prefix", &key[..2]]].concat());
    let texts = keys["keys"].as_array().expect("few keys");
    assert_eq!(keys["rows"], texts.len());
    assert!(
        texts[0]
            .as_str()
            .is_some_and(|text| text.starts_with(&format!("0x{key} "))),
        "{keys}"
    );
    let row = range(&[&table[..], &["--prefix", &format!("0x{key}")]].concat());
    assert_eq!(row["rows"], 1);
    assert!(
        row["value"].as_str().is_some_and(|hex| hex.len() >= 170),
        "{row}"
    );
    let nothing = range(&[&table[..], &["--prefix", "000000000000"]].concat());
    assert_eq!(
        (&nothing["rows"], &nothing["keys"]),
        (&0.into(), &serde_json::json!([]))
    );
}

#[test]
fn what_cannot_be_used_is_refused() {
    let dir = temp_dir();
    snapshots(dir.path());
    write_chunk(&dir.path().join("chunk.bin"));
    fs::write(
        dir.path().join("half.bin"),
        &fixture_bytes("sealed.bin")[..1000],
    )
    .expect("write");
    let refused = |args: &[&str], code, words: &[&str]| {
        let outcome = fingerprint_in(dir.path(), args).refused(code, words);
        assert_eq!(outcome.text(), "");
    };
    refused(&["half.bin"], 3, &["half.bin", "truncated"]);
    refused(&["none"], 3, &["none"]);
    refused(&["chunk.bin"], 3, &["1 of 3", "--chunk"]);
    refused(&["s.bin", "--prefix", "ab"], 2, &["--table"]);
    let table = ["s.bin", "--table", "storage_pool_info", "--prefix"];
    refused(
        &[&table[..], &["abc"]].concat(),
        2,
        &["even number of hex digits"],
    );
    refused(
        &[&table[..], &[&"00".repeat(33)]].concat(),
        2,
        &["at most 64"],
    );
    fingerprint_in(dir.path(), &["chunk.bin", "--chunk"]).exits(0);
    let outcome = fingerprint_in(dir.path(), &["s.bin", "--epoch", "3"]).exits(0);
    assert!(outcome.stderr.contains("warning"), "{}", outcome.stderr);
    // The document is the result with and without --json.
    let plain = fingerprint_in(dir.path(), &["s.bin"]).exits(0).stdout;
    assert_eq!(
        fingerprint_in(dir.path(), &["s.bin", "--json"])
            .exits(0)
            .stdout,
        plain
    );
}
