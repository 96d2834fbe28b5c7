//! `compare`: any mix of inputs, majorities, and commands that lead to the row that differs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, cleaned, fixture_bytes, make_large_database, run,
    run_with_input, temp_dir,
};
use crate::diff::snapshots;

fn compare_in(dir: &Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().current_dir(dir).arg("compare").args(args))
}

/// Writes the fingerprint of `input` to `output`.
fn fingerprint(dir: &Path, input: &str, output: &str) {
    let outcome = run(blob_snapshot()
        .current_dir(dir)
        .args(["fingerprint", input]))
    .exits(0);
    fs::write(dir.join(output), outcome.stdout).expect("write");
}

#[test]
fn any_mix_that_agrees_agrees() {
    let dir = temp_dir();
    snapshots(dir.path());
    checkpoint(dir.path());
    fingerprint(dir.path(), "c.bin", "c.json");
    fingerprint(dir.path(), "checkpoint_epoch_11", "db.json");
    let args = ["s.bin", "c.json", "checkpoint_epoch_11", "c.bin", "db.json"];
    let outcome = compare_in(dir.path(), &args).exits(0);
    let text = outcome.text();
    assert!(
        text.contains("epoch 11: all 5 inputs have the same rows"),
        "{text}"
    );
    assert!(!text.contains("next"), "{text}");
    let json = compare_in(dir.path(), &[&args[..], &["--json"]].concat())
        .exits(0)
        .json();
    assert_eq!(json["agree"], true);
    assert_eq!(json["inputs"].as_array().map(Vec::len), Some(5));
    assert_eq!(json["inputs"][4]["of"], "checkpoint_epoch_11");
    assert_eq!(json["next"], serde_json::json!([]));

    let mut command = blob_snapshot();
    command
        .current_dir(dir.path())
        .args(["compare", "-", "s.bin"]);
    let document = fs::read(dir.path().join("c.json")).expect("written");
    run_with_input(&mut command, document).exits(0);
    let mut command = blob_snapshot();
    command
        .current_dir(dir.path())
        .args(["compare", "c.json", "-"]);
    run_with_input(&mut command, fixture_bytes("counted.bin")).exits(0);
}

#[test]
fn the_odd_one_out_is_named() {
    let dir = temp_dir();
    snapshots(dir.path());
    let outcome = compare_in(dir.path(), &["bad.bin", "s.bin", "c.bin"]).exits(1);
    let text = outcome.text();
    for line in [
        "epoch 11: 2 of 3 inputs have the same rows, the others differ",
        "  agree   content ",
        "  differ  content ",
        "bad.bin against s.bin:",
        "  per_object_blob_info differs (234 rows each), in keys that begin with ",
        "  blob-snapshot diff s.bin bad.bin",
    ] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
    let outcome = compare_in(dir.path(), &["bad.bin", "s.bin"]).exits(1);
    assert!(
        outcome.text().contains("no rows have more than half"),
        "{}",
        outcome.text()
    );
}

#[test]
fn the_commands_it_prints_lead_to_the_field() {
    let dir = temp_dir();
    snapshots(dir.path());
    fingerprint(dir.path(), "s.bin", "0.json");
    fingerprint(dir.path(), "bad.bin", "1.json");
    let binary = blob_snapshot().get_program().to_owned();
    for round in 0.. {
        assert!(round < 5, "it ends");
        let outcome = compare_in(dir.path(), &["0.json", "1.json", "--json"]).exits(1);
        let json = outcome.json();
        let next = json["next"].as_array().expect("commands").clone();
        if next.is_empty() {
            let located = &json["epochs"][0]["groups"][1]["tables"][0]["located"];
            assert_eq!(located["fields"][0]["field"], "registered_epoch", "{json}");
            let text = compare_in(dir.path(), &["0.json", "1.json"])
                .exits(1)
                .text();
            assert!(text.contains("  registered_epoch "), "{text}");
            return;
        }
        assert_eq!(next.len(), 2, "{json}");
        for (number, command) in next.iter().enumerate() {
            // As an operator pastes it.
            let command = command.as_str().expect("a command").replacen(
                "blob-snapshot",
                &binary.to_string_lossy(),
                1,
            );
            let mut shell = cleaned(Command::new("sh"));
            shell.current_dir(dir.path()).args(["-c", &command]);
            let document = run(&mut shell).exits(0).stdout;
            fs::write(dir.path().join(format!("{number}.json")), document).expect("write");
        }
    }
}

#[test]
fn snapshots_are_looked_at_where_fingerprints_look() {
    let dir = temp_dir();
    snapshots(dir.path());
    let args = ["fingerprint", "s.bin", "--table", "per_object_blob_info"];
    let outcome = run(blob_snapshot().current_dir(dir.path()).args(args)).exits(0);
    fs::write(dir.path().join("close.json"), outcome.stdout).expect("write");
    let json = compare_in(dir.path(), &["close.json", "bad.bin", "--json"])
        .exits(1)
        .json();
    let located = &json["epochs"][0]["groups"][1]["tables"][0]["located"];
    assert_eq!(located["found"], "ranges", "{json}");
}

#[test]
fn other_epochs_are_said_first() {
    let dir = temp_dir();
    snapshots(dir.path());
    make_large_database(&dir.path().join("checkpoint_epoch_12"), 3);
    let text = compare_in(dir.path(), &["s.bin", "checkpoint_epoch_12", "c.bin"])
        .exits(1)
        .text();
    assert!(
        text.starts_with("the inputs are of different epochs"),
        "{text}"
    );
    assert!(
        text.contains("epoch 11: all 2 inputs have the same rows"),
        "{text}"
    );
    assert!(text.contains("epoch 12: one input"), "{text}");
}

#[test]
fn headers_that_differ_are_named() {
    let dir = temp_dir();
    snapshots(dir.path());
    let mut bytes = fixture_bytes("counted.bin");
    // The lowest byte of `next_event_index`, at the end of the header.
    bytes[4 + 4 + 1 + 54 - 8] ^= 1;
    fs::write(dir.path().join("later.bin"), bytes).expect("write");
    let text = compare_in(dir.path(), &["c.bin", "later.bin"])
        .exits(1)
        .text();
    assert!(text.contains("all 2 inputs have the same rows"), "{text}");
    assert!(text.contains("header: next event index is "), "{text}");
}

#[test]
fn what_cannot_be_used_is_refused_and_the_rest_compared() {
    let dir = temp_dir();
    snapshots(dir.path());
    let cases = [
        ("{\"fingerprint\":9}", "version 9"),
        ("{\"fingerprint\":1}", "missing field"),
        ("{", "not a fingerprint"),
        ("  {\"a\": 1}", "missing field"),
    ];
    for (text, word) in cases {
        fs::write(dir.path().join("x.json"), text).expect("write");
        let outcome =
            compare_in(dir.path(), &["x.json", "s.bin", "c.bin"]).refused(3, &["x.json", word]);
        assert!(
            outcome.text().contains("all 2 inputs have the same rows"),
            "{}",
            outcome.text()
        );
    }
    fs::write(
        dir.path().join("x.json"),
        [b"{", &[b' '; 70_000][..]].concat(),
    )
    .expect("write");
    compare_in(dir.path(), &["x.json", "s.bin"]).refused(3, &["more than 65536 bytes"]);
    let json = compare_in(dir.path(), &["x.json", "bad.bin", "s.bin", "--json"])
        .exits(3)
        .json();
    assert_eq!(json["agree"], false);
    assert_eq!(json["unusable"][0]["path"], "x.json");
    compare_in(dir.path(), &["s.bin"]).exits(2);
    compare_in(dir.path(), &["-", "-"]).refused(2, &["once"]);
    compare_in(dir.path(), &["s.bin", "none"]).refused(3, &["none"]);
}
