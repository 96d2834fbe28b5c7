//! The program: what it prints is what other programs read.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::dir;

fn run(args: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reference-node"))
        .args(args)
        .arg("--dir")
        .arg(dir)
        .output()
        .expect("the program runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn make_db_prints_what_the_demo_reads() {
    let dir = dir();
    let dir = dir.path().join("new");
    let printed = json(&run(
        &["make-db", "--entries", "200", "--epochs", "4", "--json"],
        &dir,
    ));
    let path = |name: &str| dir.join(name).to_str().map(str::to_owned);
    assert_eq!(printed["epoch"], 5);
    assert_eq!(printed["database"].as_str(), path("db").as_deref());
    assert_eq!(
        printed["checkpoint"].as_str(),
        path("checkpoint_epoch_5").as_deref()
    );
    let digest = printed["event_tx_digest"].as_str().expect("a text");
    digest
        .parse::<snapshot_format::TransactionDigest>()
        .expect("base58");
    assert!(printed["event_seq"].is_u64() && printed["next_event_index"].is_u64());
    let tables = printed["tables"].as_object().expect("an object");
    let names: Vec<_> = tables.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "per_object_blob_info",
            "per_object_pooled_blob_info",
            "storage_pool_info"
        ]
    );
    assert!(tables.values().filter_map(Value::as_u64).sum::<u64>() >= 200);
    assert!(
        printed["done"]
            .as_array()
            .is_some_and(|done| !done.is_empty())
    );

    let again = run(&["make-db"], &dir);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stdout.is_empty());
    let message = String::from_utf8_lossy(&again.stderr);
    assert!(message.contains("is not empty"), "{message}");
}

#[test]
fn make_db_says_in_words_what_it_did() {
    let dir = dir();
    let output = run(&["make-db", "--entries", "200"], dir.path());
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for word in [
        "merge operands",
        "write-ahead log",
        "checkpoint_epoch_7",
        "BlobRegistered",
    ] {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
}

#[test]
fn bench_db_prints_what_it_made() {
    let dir = dir();
    let args = [
        "bench-db",
        "--rows",
        "1000",
        "--unmerged-share",
        "0.5",
        "--json",
    ];
    let printed = json(&run(&args, dir.path()));
    assert_eq!(printed["rows"], 1000);
    assert!(
        printed["unmerged_rows"]
            .as_u64()
            .is_some_and(|rows| rows > 0)
    );
    let database = printed["database"].as_str().expect("a text");
    assert!(Path::new(database).join("CURRENT").is_file());
}

#[test]
fn wrong_arguments_are_a_matter_of_usage() {
    let dir = dir();
    assert_eq!(
        run(&["make-db", "--entries", "many"], dir.path())
            .status
            .code(),
        Some(2)
    );
    assert_eq!(run(&["unmake-db"], dir.path()).status.code(), Some(2));
}
