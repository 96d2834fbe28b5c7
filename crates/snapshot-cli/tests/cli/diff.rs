//! `diff`: both framings, databases, standard input; what is printed, and what is refused.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, database_with_wal, fixture, fixture_bytes,
    make_large_database, run, run_with_input, temp_dir,
};
use crate::verify::write_chunk;

/// Where the first row of the counted fixture has its `registered_epoch`.
pub(crate) const REGISTERED_EPOCH: usize = 4 + 4 + 1 + 54 + 1 + 8 + 1 + 32 + 1 + 1 + 32;

/// `s.bin`, `c.bin`, and `bad.bin`: `c.bin` with one bit of its first row's `registered_epoch` flipped.
pub(crate) fn snapshots(dir: &Path) {
    fs::copy(fixture("sealed.bin"), dir.join("s.bin")).expect("copy");
    fs::copy(fixture("counted.bin"), dir.join("c.bin")).expect("copy");
    let mut bytes = fixture_bytes("counted.bin");
    bytes[REGISTERED_EPOCH] ^= 1;
    fs::write(dir.join("bad.bin"), bytes).expect("write");
}

fn diff_in(dir: &Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().current_dir(dir).arg("diff").args(args))
}

fn lines(outcome: &Outcome) -> Vec<Value> {
    let text = outcome.text();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect()
}

#[test]
fn the_same_rows_are_the_same_wherever_they_are() {
    let dir = temp_dir();
    snapshots(dir.path());
    checkpoint(dir.path());
    database_with_wal(dir.path());
    let all = [
        "s.bin",
        "c.bin",
        "checkpoint_epoch_11",
        "db_boundary_unflushed",
    ];
    for a in all {
        for b in all {
            let outcome = diff_in(dir.path(), &[a, b, "--quiet"]).exits(0);
            let text = outcome.text();
            assert!(text.contains("same: all 318 rows agree"), "{text}");
            assert!(
                text.starts_with(&format!("--- A: {a}\n+++ B: {b}\n")),
                "{text}"
            );
        }
    }
}

#[test]
fn a_flipped_bit_is_named_with_its_field() {
    let dir = temp_dir();
    snapshots(dir.path());
    checkpoint(dir.path());
    for other in ["s.bin", "c.bin", "checkpoint_epoch_11"] {
        let text = diff_in(dir.path(), &[other, "bad.bin"]).exits(1).text();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("M ")).collect();
        let [row] = rows.as_slice() else {
            panic!("one row: {text}");
        };
        assert!(
            row.starts_with("M per_object_blob_info 0x") && row.contains("  registered_epoch "),
            "{row}"
        );
        assert!(
            text.contains("likely cause of 1 difference: 1 row in a state"),
            "{text}"
        );
        assert!(text.contains("a single bit"), "{text}");
    }
}

#[test]
fn json_is_an_object_for_each_row_and_a_summary() {
    let dir = temp_dir();
    snapshots(dir.path());
    let outcome = diff_in(dir.path(), &["c.bin", "bad.bin", "--json"]).exits(1);
    let objects = lines(&outcome);
    let [row, summary] = objects.as_slice() else {
        panic!("two objects: {objects:?}");
    };
    assert_eq!(row["type"], "difference");
    assert_eq!(row["change"], "differs");
    assert_eq!(row["table"], "per_object_blob_info");
    assert_eq!(row["fields"][0]["field"], "registered_epoch");
    assert_eq!(row["fields"][0]["a"], row["a"]["registered_epoch"]);
    assert_eq!(row["fields"][0]["b"], row["b"]["registered_epoch"]);
    assert_ne!(row["a"], row["b"]);
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["same"], false);
    assert_eq!(summary["differences"], 1);
    assert_eq!(summary["printed"], 1);
    assert_eq!(
        summary["tables"]["per_object_blob_info"]["fields"]["registered_epoch"],
        1
    );
    assert_eq!(summary["causes"][0]["cause"], "damaged");
    assert_eq!(summary["unexplained"], 0);
    assert_eq!(summary["a"]["framing"], "counted");
    assert_eq!(summary["warnings"], serde_json::json!([]));

    let outcome = diff_in(dir.path(), &["c.bin", "s.bin", "--json"]).exits(0);
    assert_eq!(outcome.json()["same"], true);
}

#[test]
fn the_limit_is_for_rows_and_never_for_the_summary() {
    let dir = temp_dir();
    snapshots(dir.path());
    make_large_database(&dir.path().join("checkpoint_epoch_11"), 200);
    let rows = |args: &[&str]| {
        let all = [&["s.bin", "checkpoint_epoch_11"], args].concat();
        let text = diff_in(dir.path(), &all).exits(1).text();
        let is_row = |line: &&str| line.starts_with("- ") || line.starts_with("+ ");
        let rows = text.lines().filter(is_row).count();
        let table = text
            .lines()
            .find(|line| line.starts_with("per_object_blob_info "))
            .expect("a summary");
        let cells: Vec<&str> = table.split_whitespace().collect();
        assert_eq!(cells[1..], ["234", "200", "234", "200", "0"], "{text}");
        (rows, text)
    };
    let (printed, text) = rows(&[]);
    assert_eq!(printed, 100);
    assert!(
        text.contains("... 418 more rows differ; --limit all"),
        "{text}"
    );
    assert_eq!(rows(&["--limit", "0"]).0, 0);
    assert_eq!(rows(&["--limit", "7"]).0, 7);
    let (printed, text) = rows(&["--limit", "all"]);
    assert_eq!(printed, 234 + 66 + 18 + 200);
    assert!(!text.contains("more rows"), "{text}");
    assert_eq!(
        rows(&["--limit", "all", "--table", "storage_pool_info"]).0,
        18
    );
    let args = ["s.bin", "checkpoint_epoch_11", "--json"];
    let outcome = diff_in(dir.path(), &args).exits(1);
    assert_eq!(lines(&outcome).len(), 518 + 1);
    let limited = [&args[..], &["--limit", "1"]].concat();
    let objects = lines(&diff_in(dir.path(), &limited).exits(1));
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[1]["differences"], 518);
}

#[test]
fn other_epochs_are_said_before_any_row() {
    let dir = temp_dir();
    snapshots(dir.path());
    make_large_database(&dir.path().join("checkpoint_epoch_12"), 3);
    let text = diff_in(dir.path(), &["s.bin", "checkpoint_epoch_12"])
        .exits(1)
        .text();
    assert_eq!(text.lines().nth(2), Some("header: epoch 11 -> 12"));
    assert!(text.contains("differences: the epochs differ"), "{text}");
}

#[test]
fn standard_input_is_one_of_the_two_in_any_framing() {
    let dir = temp_dir();
    snapshots(dir.path());
    checkpoint(dir.path());
    for input in ["sealed.bin", "counted.bin"] {
        for other in ["s.bin", "c.bin", "checkpoint_epoch_11"] {
            for args in [["-", other], [other, "-"]] {
                let mut command = blob_snapshot();
                command.current_dir(dir.path()).arg("diff").args(args);
                run_with_input(&mut command, fixture_bytes(input)).exits(0);
            }
        }
        let mut command = blob_snapshot();
        command
            .current_dir(dir.path())
            .args(["diff", "-", "bad.bin"]);
        run_with_input(&mut command, fixture_bytes(input)).exits(1);
    }
    diff_in(dir.path(), &["-", "-"]).refused(2, &["once"]);
}

#[test]
fn what_cannot_be_used_is_refused() {
    let dir = temp_dir();
    snapshots(dir.path());
    let sealed = fixture_bytes("sealed.bin");
    let (half, _) = sealed.split_at(sealed.len() / 2);
    fs::write(dir.path().join("half.bin"), half).expect("write");
    let mut damaged = sealed.clone();
    damaged[sealed.len() - 3] ^= 1;
    fs::write(dir.path().join("damaged.bin"), damaged).expect("write");
    write_chunk(&dir.path().join("chunk.bin"));
    fs::create_dir(dir.path().join("empty")).expect("mkdir");
    let cases: [(&str, &[&str]); 5] = [
        ("half.bin", &["half.bin", "truncated"]),
        ("damaged.bin", &["damaged.bin", "checksum"]),
        ("chunk.bin", &["chunk.bin", "1 of 3", "--chunk"]),
        ("empty", &["empty"]),
        ("none", &["none", "No such file"]),
    ];
    for (name, words) in cases {
        for args in [[name, "c.bin"], ["c.bin", name]] {
            let outcome = diff_in(dir.path(), &args).refused(3, words);
            assert!(!outcome.text().contains("same:"), "{}", outcome.text());
        }
    }
    let outcome = diff_in(dir.path(), &["half.bin", "none"]).refused(3, &["half.bin", "none"]);
    assert!(
        !outcome.text().contains("likely cause"),
        "{}",
        outcome.text()
    );
    diff_in(dir.path(), &["s.bin"]).refused(2, &["<B>"]);
    diff_in(dir.path(), &["s.bin", "c.bin", "--limit", "-1"]).exits(2);
    diff_in(dir.path(), &["s.bin", "c.bin", "--limit", "few"]).refused(2, &["all"]);
    diff_in(dir.path(), &["s.bin", "c.bin", "--table", "x"]).refused(2, &["storage_pool_info"]);
    diff_in(dir.path(), &["chunk.bin", "chunk.bin", "--chunk"]).exits(0);
}
