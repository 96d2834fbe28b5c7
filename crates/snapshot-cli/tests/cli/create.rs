//! `create`: the bytes, the name of the output, the epoch, the result.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::{
    EPOCH, Outcome, blob_snapshot, checkpoint, counted_digest, cursor, database_with_wal,
    fixture_bytes, make_large_database, names, run, sealed_digest, temp_dir,
};

fn create_in(dir: &Path, args: &[&str]) -> Outcome {
    run(blob_snapshot().current_dir(dir).arg("create").args(args))
}

#[test]
fn both_framings_come_out_byte_for_byte_from_a_checkpoint_and_from_a_wal() {
    let dir = temp_dir();
    checkpoint(dir.path());
    database_with_wal(dir.path());
    let cursor = cursor();
    let cursor: Vec<&str> = cursor.iter().map(String::as_str).collect();
    for (db, epoch) in [
        ("checkpoint_epoch_11", None),
        ("db_boundary_unflushed", Some("11")),
    ] {
        let common: Vec<&str> = ["--db", db]
            .into_iter()
            .chain(epoch.into_iter().flat_map(|e| ["--epoch", e]))
            .collect();
        for threads in ["1", "3"] {
            let sealed = [&common[..], &["--output", "-", "--threads", threads]].concat();
            let outcome = create_in(dir.path(), &sealed).exits(0);
            assert_eq!(outcome.stdout, fixture_bytes("sealed.bin"), "{sealed:?}");
            assert!(
                outcome
                    .stderr
                    .contains(&format!("digest {}", sealed_digest()))
            );

            let counted = [&sealed[..], &["--framing", "counted"], &cursor].concat();
            let outcome = create_in(dir.path(), &counted).exits(0);
            assert_eq!(outcome.stdout, fixture_bytes("counted.bin"), "{counted:?}");
            assert!(
                outcome
                    .stderr
                    .contains(&format!("digest {}", counted_digest()))
            );
        }
        let file = [&common[..], &["--output", "o.bin", "--force"]].concat();
        create_in(dir.path(), &file).exits(0);
        assert_eq!(
            fs::read(dir.path().join("o.bin")).expect("read"),
            fixture_bytes("sealed.bin")
        );
    }
    let expected = ["checkpoint_epoch_11", "db_boundary_unflushed", "o.bin"];
    assert_eq!(names(dir.path()), expected, "nothing else is left");
}

#[test]
fn the_database_is_left_as_it_is() {
    let dir = temp_dir();
    for db in [checkpoint(dir.path()), database_with_wal(dir.path())] {
        let before = contents(&db);
        create_in(
            dir.path(),
            &[
                "--db",
                db.to_str().expect("UTF-8"),
                "-o",
                "o.bin",
                "--force",
            ],
        )
        .exits(0);
        assert_eq!(contents(&db), before);
    }
}

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let content = |name: String| (name.clone(), fs::read(dir.join(&name)).expect("read"));
    names(dir).into_iter().map(content).collect()
}

#[test]
fn the_result_begins_with_the_line_to_compare() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let outcome = create_in(dir.path(), &["--db", "checkpoint_epoch_11"]).exits(0);
    let text = outcome.text();
    let first = format!("digest {} (sealed, epoch 11, 318 rows)", sealed_digest());
    assert_eq!(text.lines().next(), Some(&*first));
    assert!(
        text.contains("per_object_blob_info                 234 rows"),
        "{text}"
    );
    assert!(
        text.contains("wrote snapshot_epoch_11.bin: 41207 bytes"),
        "{text}"
    );
    assert!(text.contains("read back and verified"), "{text}");
    assert_eq!(outcome.stderr, "");
    assert_eq!(
        fs::read(dir.path().join("snapshot_epoch_11.bin")).expect("the default name"),
        fixture_bytes("sealed.bin")
    );
}

#[test]
fn json_says_the_same_in_one_object() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let args = ["--db", "checkpoint_epoch_11", "--output", "o.bin", "--json"];
    let outcome = create_in(dir.path(), &args).exits(0);
    let json = outcome.json();
    assert_eq!(json["digest"], sealed_digest());
    assert_eq!(json["framing"], "sealed");
    assert_eq!(json["version"], 1);
    assert_eq!(json["epoch"], EPOCH);
    assert_eq!(json["size"], 41207);
    assert_eq!(json["rows"], 318);
    assert_eq!(json["counts"]["storage_pool_info"], 18);
    assert_eq!(
        json["header"]["event_cursor"]["event_id"],
        serde_json::Value::Null
    );
    assert_eq!(json["output"], "o.bin");
    assert_eq!(json["verified"], true);
    assert!(
        json["create_seconds"].is_f64() && json["verify_seconds"].is_f64(),
        "{json}"
    );
    assert_eq!(json["warnings"], serde_json::json!([]));

    // With the file on standard output, the object goes to standard error.
    let args = ["--db", "checkpoint_epoch_11", "--output", "-", "--json"];
    let outcome = create_in(dir.path(), &args).exits(0);
    assert_eq!(outcome.stdout, fixture_bytes("sealed.bin"));
    let json: serde_json::Value = serde_json::from_str(&outcome.stderr).expect("JSON");
    assert_eq!(
        (&json["output"], &json["verified"]),
        (&serde_json::Value::Null, &false.into())
    );
}

#[test]
fn a_file_is_read_back_unless_told_otherwise_or_special() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let args = ["--db", "checkpoint_epoch_11", "--no-verify"];
    let outcome = create_in(dir.path(), &args).exits(0);
    assert!(
        outcome.text().contains("not read back"),
        "{}",
        outcome.text()
    );
    let args = ["--db", "checkpoint_epoch_11", "--output", "/dev/null"];
    let outcome = create_in(dir.path(), &args).exits(0);
    assert!(
        outcome.text().contains("not read back"),
        "{}",
        outcome.text()
    );
}

#[test]
fn the_epoch_comes_from_the_option_the_name_or_the_link_s_target() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    symlink(&db, dir.path().join("link")).expect("symlink");
    symlink(&db, dir.path().join("checkpoint_epoch_12")).expect("symlink");
    fs::create_dir(dir.path().join("out")).expect("mkdir");
    let epoch_of = |cwd: &Path, args: &[&str]| {
        let args = [args, &["--json", "--output", "/dev/null"]].concat();
        let outcome = create_in(cwd, &args).exits(0);
        (
            outcome.json()["epoch"].as_u64().expect("a number"),
            outcome.json()["warnings"].clone(),
        )
    };
    let none = serde_json::json!([]);
    for path in [
        "checkpoint_epoch_11",
        "checkpoint_epoch_11/",
        "./checkpoint_epoch_11/.",
        "link",
    ] {
        assert_eq!(
            epoch_of(dir.path(), &["--db", path]),
            (11, none.clone()),
            "{path}"
        );
    }
    assert_eq!(epoch_of(&db, &["--db", "."]), (11, none.clone()));
    assert_eq!(
        epoch_of(dir.path(), &["--db", "checkpoint_epoch_12"]),
        (12, none.clone())
    );
    assert_eq!(
        epoch_of(dir.path(), &["--db", "link", "--epoch", "11"]),
        (11, none)
    );

    let (epoch, warnings) = epoch_of(dir.path(), &["--db", "link", "--epoch", "4294967295"]);
    assert_eq!(epoch, 4_294_967_295);
    assert!(
        warnings[0]
            .as_str()
            .is_some_and(|it| it.contains("overrides epoch 11")),
        "{warnings}"
    );

    for name in [
        "checkpoint_epoch_011",
        "checkpoint_epoch_11.tmp",
        "xcheckpoint_epoch_11",
        "db",
    ] {
        fs::rename(&db, dir.path().join(name)).expect("rename");
        let (epoch, warnings) = epoch_of(dir.path(), &["--db", name]);
        assert_eq!(epoch, 0, "{name}");
        let warning = warnings[0].as_str().expect("a warning");
        assert!(
            warning.contains("epoch 0") && warning.contains("--epoch"),
            "{warning}"
        );
        fs::rename(dir.path().join(name), &db).expect("rename");
    }
}

#[test]
fn the_header_s_options_must_fit_together() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let [tx, digest, seq, number, index, next] = cursor();
    let refused = |args: &[&str], words: &[&str]| {
        let all = [&["--db", "checkpoint_epoch_11"], args].concat();
        create_in(dir.path(), &all).refused(2, words);
    };
    refused(
        &["--framing", "counted"],
        &["--event-tx-digest, --event-seq, --next-event-index"],
    );
    refused(
        &["--framing", "counted", &index, &next],
        &["--event-tx-digest, --event-seq as well"],
    );
    refused(&[&tx, &digest], &["--event-seq"]);
    refused(&[&seq, &number], &["--event-tx-digest"]);
    refused(&[&tx, &digest, &seq, &number], &["--next-event-index"]);
    let previous = "-".repeat(42) + "8";
    let counted = [&tx, &digest, &seq, &number, &index, &next].map(String::as_str);
    let args = [
        &["--framing", "counted", "--prev-snapshot-blob-id", &previous],
        &counted[..],
    ];
    refused(&args.concat(), &["--prev-snapshot-blob-id"]);
    refused(&["--epoch", "4294967296"], &["4294967296"]);
    refused(&["--epoch", "-1"], &["-1"]);
    refused(&["--event-tx-digest", "0OIl"], &["transaction digest"]);
    refused(&["--framing", "framed"], &["sealed, counted"]);
    refused(&["--threads", "0"], &["--threads"]);
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11"]);
}

#[test]
fn the_sealed_header_holds_what_the_options_say() {
    let dir = temp_dir();
    checkpoint(dir.path());
    // URL-safe base64 may look like an option.
    let previous = "-".repeat(42) + "8";
    let cursor = cursor();
    let cursor: Vec<&str> = cursor.iter().map(String::as_str).collect();
    let base = [
        "--db",
        "checkpoint_epoch_11",
        "--prev-snapshot-blob-id",
        &previous,
        "--json",
    ];
    let outcome = create_in(dir.path(), &[&base[..], &cursor].concat()).exits(0);
    let header = &outcome.json()["header"];
    assert_eq!(header["prev_snapshot_blob_id"], *previous);
    assert_eq!(header["event_cursor"]["event_id"]["tx_digest"], *cursor[1]);
    assert_eq!(header["event_cursor"]["element_index"], 35939);

    // The index alone is allowed.
    let args = [&base[..], &["--next-event-index", "7", "--force"]].concat();
    let outcome = create_in(dir.path(), &args).exits(0);
    assert_eq!(outcome.json()["header"]["event_cursor"]["element_index"], 7);
    assert_eq!(
        outcome.json()["header"]["event_cursor"]["event_id"],
        serde_json::Value::Null
    );
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let dir = temp_dir();
    let db = dir.path().join("checkpoint_epoch_3");
    make_large_database(&db, 100_000);
    let digests: Vec<String> = ["1", "2", "7"]
        .into_iter()
        .map(|threads| {
            let args = [
                "--db",
                "checkpoint_epoch_3",
                "-o",
                "/dev/null",
                "--threads",
                threads,
            ];
            let text = create_in(dir.path(), &args).exits(0).text();
            text.lines().next().expect("a line").to_owned()
        })
        .collect();
    assert!(digests[0].contains("epoch 3, 100000 rows"), "{digests:?}");
    assert!(
        digests.iter().all(|digest| *digest == digests[0]),
        "{digests:?}"
    );
}
