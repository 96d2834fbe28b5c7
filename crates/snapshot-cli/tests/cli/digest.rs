//! `digest`: one line each, and whether they agree.

use std::fs;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, counted_digest, cursor, database_with_wal, fixture,
    fixture_bytes, make_large_database, run, run_with_input, sealed_digest, temp_dir,
};
use crate::verify::write_chunk;

fn digest_in(dir: &std::path::Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().current_dir(dir).arg("digest").args(args))
}

#[test]
fn files_and_databases_get_one_line_each() {
    let dir = temp_dir();
    checkpoint(dir.path());
    database_with_wal(dir.path());
    fs::copy(fixture("sealed.bin"), dir.path().join("s.bin")).expect("copy");
    fs::copy(fixture("counted.bin"), dir.path().join("c.bin")).expect("copy");
    let args = [
        "s.bin",
        "c.bin",
        "checkpoint_epoch_11",
        "db_boundary_unflushed",
        "--epoch",
        "11",
    ];
    let outcome = digest_in(dir.path(), &args).exits(0);
    let (sealed, counted) = (sealed_digest(), counted_digest());
    let expected = format!(
        "{sealed}  s.bin\n{counted}  c.bin\n{sealed}  checkpoint_epoch_11\n\
         {sealed}  db_boundary_unflushed\n"
    );
    assert_eq!(outcome.text(), expected);
    assert!(
        outcome.stderr.contains("same framing and epoch"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        digest_in(dir.path(), &[&args[..], &["--quiet"]].concat())
            .exits(0)
            .stderr,
        ""
    );

    let cursor = cursor();
    let mut args = vec!["checkpoint_epoch_11", "c.bin", "--framing", "counted"];
    args.extend(cursor.iter().map(String::as_str));
    let outcome = digest_in(dir.path(), &args).exits(0);
    assert_eq!(
        outcome.text(),
        format!("{counted}  checkpoint_epoch_11\n{counted}  c.bin\n")
    );
}

#[test]
fn json_has_all_inputs_and_the_answer() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let json = digest_in(dir.path(), &["checkpoint_epoch_11", "none", "--json"])
        .exits(3)
        .json();
    assert_eq!(json["agree"], false);
    assert_eq!(json["inputs"][0]["digest"], sealed_digest());
    assert_eq!(json["inputs"][0]["kind"], "database");
    assert_eq!(json["inputs"][0]["error"], serde_json::Value::Null);
    assert!(
        json["inputs"][1]["error"]
            .as_str()
            .is_some_and(|it| it.contains("none")),
        "{json}"
    );
    assert_eq!(json["inputs"][1]["digest"], serde_json::Value::Null);
}

#[test]
fn inputs_that_differ_are_told_apart() {
    let dir = temp_dir();
    checkpoint(dir.path());
    make_large_database(&dir.path().join("other"), 3);
    fs::copy(fixture("sealed.bin"), dir.path().join("s.bin")).expect("copy");
    let args = ["checkpoint_epoch_11", "other", "s.bin", "--epoch", "11"];
    let outcome = digest_in(dir.path(), &args).refused(
        1,
        &[
            "epoch 11 differ",
            "number of rows",
            "per_object_blob_info: 3 or 234",
            "other",
        ],
    );
    assert_eq!(outcome.text().lines().count(), 3);
    let majority = format!("{}: checkpoint_epoch_11, s.bin", sealed_digest());
    assert!(outcome.stderr.contains(&majority), "{}", outcome.stderr);

    // Other epochs are not compared.
    digest_in(dir.path(), &["s.bin", "other", "--epoch", "12"]).exits(0);

    let args = ["checkpoint_epoch_11", "s.bin", "--next-event-index", "5"];
    digest_in(dir.path(), &args).refused(1, &["in their headers"]);
}

#[test]
fn rows_that_differ_in_a_value_only_are_told_apart() {
    let dir = temp_dir();
    let mut bytes = fixture_bytes("counted.bin");
    // The first byte of the first object's blob ID.
    let at = 4 + 4 + 1 + 54 + 1 + 8 + 1 + 32 + 1 + 1;
    fs::write(dir.path().join("a.bin"), &bytes).expect("write");
    bytes[at] ^= 1;
    fs::write(dir.path().join("b.bin"), &bytes).expect("write");
    digest_in(dir.path(), &["a.bin", "b.bin"])
        .refused(1, &["counted snapshots of epoch 11 differ in their rows"]);
}

#[test]
fn what_cannot_be_used_does_not_keep_the_others_from_being_printed() {
    let dir = temp_dir();
    fs::copy(fixture("sealed.bin"), dir.path().join("s.bin")).expect("copy");
    fs::write(
        dir.path().join("cut.bin"),
        &fixture_bytes("sealed.bin")[..1000],
    )
    .expect("write");
    let outcome = digest_in(dir.path(), &["none", "cut.bin", "s.bin"])
        .refused(3, &["none", "cut.bin", "ends early"]);
    assert_eq!(outcome.text(), format!("{}  s.bin\n", sealed_digest()));
}

#[test]
fn an_expected_digest_is_checked() {
    let dir = temp_dir();
    checkpoint(dir.path());
    digest_in(
        dir.path(),
        &["checkpoint_epoch_11", "--expect", &sealed_digest()],
    )
    .exits(0);
    digest_in(
        dir.path(),
        &["checkpoint_epoch_11", "--expect", &counted_digest()],
    )
    .refused(1, &["checkpoint_epoch_11: digest is", &counted_digest()]);
}

#[test]
fn standard_input_is_an_input() {
    let bytes = fixture_bytes("counted.bin");
    let outcome = run_with_input(blob_snapshot().args(["digest", "-"]), bytes).exits(0);
    assert_eq!(outcome.text(), format!("{}  -\n", counted_digest()));
}

#[test]
fn a_chunk_has_no_digest_to_compare_unless_told() {
    let dir = temp_dir();
    write_chunk(&dir.path().join("chunk.bin"));
    digest_in(dir.path(), &["chunk.bin"]).refused(3, &["chunk 1 of 3"]);
    assert_eq!(
        digest_in(dir.path(), &["chunk.bin", "--chunk"])
            .exits(0)
            .text()
            .len(),
        16 + 2 + 10
    );
}

#[test]
fn options_that_change_nothing_are_pointed_out() {
    let dir = temp_dir();
    fs::copy(fixture("sealed.bin"), dir.path().join("s.bin")).expect("copy");
    let outcome = digest_in(dir.path(), &["s.bin", "--epoch", "12"]).exits(0);
    assert!(
        outcome.stderr.contains("warning: header options"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_name_can_neither_break_a_line_nor_steer_a_terminal() {
    let dir = temp_dir();
    let name = "a\nb\u{1b}[31m.bin";
    fs::copy(fixture("sealed.bin"), dir.path().join(name)).expect("copy");
    let outcome = digest_in(dir.path(), &[name]).exits(0);
    assert_eq!(
        outcome.text(),
        format!("{}  a\\nb\\u{{1b}}[31m.bin\n", sealed_digest())
    );
}
