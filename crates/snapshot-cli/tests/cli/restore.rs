//! `restore`: snapshots to databases, what is said of it, and what is refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{
    Numbers, Outcome, blob_snapshot, checkpoint, counted_digest, cursor, database_with_wal,
    fixture, fixture_bytes, make_large_database, names, run, run_with_input, sealed_digest,
    temp_dir,
};

fn restore(file: &Path, db: &Path) -> Command {
    let mut command = blob_snapshot();
    command.arg("restore").arg(file).arg("--db").arg(db);
    command
}

/// The snapshot of a database, by `create`.
fn snapshot_of(db: &Path) -> Vec<u8> {
    let mut command = blob_snapshot();
    command.args(["create", "--epoch", "11", "--output", "-", "--db"]);
    run(command.arg(db)).exits(0).stdout
}

fn check(db: &Path) -> Outcome {
    run(blob_snapshot().args(["check", "--db"]).arg(db))
}

#[test]
fn a_restored_database_gives_the_snapshot_again() {
    let dir = temp_dir();
    for name in ["sealed.bin", "counted.bin"] {
        let db = dir.path().join(name);
        let outcome = run(&mut restore(&fixture(name), &db)).exits(0);
        assert!(outcome.text().contains("318 rows"), "{}", outcome.text());
        assert!(outcome.text().contains("replays the events since"));
        let unknown = outcome
            .stderr
            .contains("a node cannot resume from these tables");
        assert_eq!(unknown, name == "sealed.bin", "{}", outcome.stderr);
        assert_eq!(snapshot_of(&db), fixture_bytes("sealed.bin"));
        check(&db).exits(0);
    }
    let db = dir.path().join("with cursor");
    let outcome = run(restore(&fixture("sealed.bin"), &db).args(cursor())).exits(0);
    assert!(outcome.text().contains("next is event 35939"));
    assert_eq!(outcome.stderr, "");
}

#[test]
fn json_tells_all_of_it() {
    let dir = temp_dir();
    let db = dir.path().join("db");
    let mut command = restore(&fixture("counted.bin"), &db);
    let json = run(command.arg("--json")).exits(0).json();
    assert_eq!(json["digest"], counted_digest());
    assert_eq!(
        (&json["action"], &json["dry_run"]),
        (&"create".into(), &false.into())
    );
    assert_eq!(json["findings"], serde_json::json!([]));
    let restored = &json["restored"];
    let rows: Vec<&Value> = (0..6)
        .map(|table| &restored["tables"][table]["rows"])
        .collect();
    assert_eq!(rows, [234, 66, 18, 253, 1, 1]);
    assert_eq!(restored["aggregate"]["objects"], 300);
    assert_eq!(restored["aggregate"]["permanent_total_event_in_doubt"], 54);
    assert_eq!(restored["next_event_index"], 35_939);
    for stage in ["verify", "preflight", "build", "aggregate", "install"] {
        assert!(json["seconds"][stage].is_number(), "{json}");
    }
    // A second time there is nothing to do.
    let mut command = restore(&fixture("counted.bin"), &db);
    let json = run(command.arg("--json")).exits(0).json();
    assert_eq!(
        (&json["action"], &json["restored"]),
        (&"nothing".into(), &Value::Null)
    );
}

#[test]
fn another_snapshot_than_expected_is_a_no_and_touches_nothing() {
    let dir = temp_dir();
    let db = dir.path().join("db");
    let (sealed, counted) = (sealed_digest(), counted_digest());
    let file = fixture("sealed.bin");
    run(restore(&file, &db).args(["--expect-digest", &counted]))
        .refused(1, &["digest is", &sealed, "expected", &counted]);
    run(restore(&file, &db).args(["--expect-epoch", "12"])).refused(1, &["epoch is 11"]);
    run(restore(&file, &db).args(["--expect-digest", "12"])).refused(2, &["16 hex digits"]);
    let mut cut = fixture_bytes("sealed.bin");
    cut.pop();
    let broken = dir.path().join("broken.bin");
    fs::write(&broken, cut).expect("write");
    run(&mut restore(&broken, &db)).refused(1, &["broken.bin", "ends early"]);
    run(&mut restore(&dir.path().join("none"), &db)).refused(3, &["none"]);
    assert_eq!(names(dir.path()), ["broken.bin"]);
    run(restore(&file, &db).args(["--expect-digest", &sealed, "--expect-epoch", "11"])).exits(0);
}

#[test]
fn standard_input_is_refused_with_a_hint() {
    let dir = temp_dir();
    let mut command = restore(Path::new("-"), &dir.path().join("db"));
    let outcome = run_with_input(&mut command, fixture_bytes("sealed.bin"));
    outcome.refused(3, &["only once", "save it to a file"]);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_dry_run_says_what_stands_in_the_way_and_does_nothing() {
    let dir = temp_dir();
    let db = dir.path().join("db");
    let outcome = run(restore(&fixture("counted.bin"), &db).arg("--dry-run")).exits(0);
    assert!(outcome.text().contains("would make the new database"));
    assert!(outcome.text().contains("preflight passed"));
    let mut command = restore(&fixture("counted.bin"), &db);
    command.args([
        "--dry-run",
        "--expect-epoch",
        "3",
        "--first-available-event",
        "40000",
    ]);
    let said = run(&mut command).exits(1).stderr;
    assert_eq!(said.matches("\n  - ").count(), 2, "{said}");
    let json = run(command.arg("--json")).exits(1).json();
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(2));
    // It ends as the run that is not dry would.
    let missing = dir.path().join("none/db");
    run(restore(&fixture("counted.bin"), &missing).arg("--dry-run"))
        .refused(3, &["nothing was touched", "there is no directory"]);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_database_is_never_overwritten_unasked() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let before = snapshot_of(&db);
    let file = fixture("counted.bin");
    run(&mut restore(&file, &db)).refused(3, &["already holds a database"]);
    run(&mut restore(&file, &db.join("below"))).refused(3, &["is inside the database"]);
    run(restore(&file, &dir.path().join("none")).arg("--replace-tables"))
        .refused(3, &["holds no database"]);
    assert_eq!(snapshot_of(&db), before);
}

#[test]
fn what_was_proven_is_said_and_no_more() {
    let dir = temp_dir();
    let (sealed, counted) = (sealed_digest(), counted_digest());
    for (name, digest, proven_by, word) in [
        ("sealed.bin", None, "checksum", "its own checksum"),
        ("sealed.bin", Some(&sealed), "digest", "the expected digest"),
        ("counted.bin", None, "nothing", "no checksum"),
        (
            "counted.bin",
            Some(&counted),
            "digest",
            "the expected digest",
        ),
    ] {
        let mut command = restore(&fixture(name), &dir.path().join("db"));
        command.arg("--dry-run");
        if let Some(digest) = digest {
            command.args(["--expect-digest", digest]);
        }
        let outcome = run(&mut command).exits(0);
        let said = outcome.text() + &outcome.stderr;
        assert!(said.contains(word), "{said}");
        assert!(!said.contains("verified"), "{said}");
        let json = run(command.arg("--json")).exits(0).json();
        assert_eq!(json["proven_by"], proven_by);
    }
    let outcome = run(&mut restore(
        &fixture("counted.bin"),
        &dir.path().join("db"),
    ))
    .exits(0);
    let said = outcome.text() + &outcome.stderr;
    assert!(
        said.contains("was not proven") && !said.contains("verified"),
        "{said}"
    );
}

#[test]
fn the_old_database_can_be_kept() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    let mut command = restore(&fixture("counted.bin"), &db);
    run(command.arg("--keep-old")).refused(2, &["--replace-tables"]);
    let before = snapshot_of(&db);
    run(command.arg("--replace-tables")).exits(0);
    let mut kept = db.clone().into_os_string();
    kept.push(".old");
    assert_eq!(snapshot_of(Path::new(&kept)), before);
}

#[test]
fn tables_of_a_stopped_node_are_replaced() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    let large = dir.path().join("checkpoint_epoch_11");
    make_large_database(&large, 5000);
    let file = dir.path().join("s.bin");
    fs::write(&file, snapshot_of(&large)).expect("write");
    let mut command = restore(&file, &db);
    command.arg("--replace-tables").args(cursor());
    let outcome = run(&mut command).exits(0);
    assert!(outcome.text().contains("5000 rows"), "{}", outcome.text());
    assert_eq!(snapshot_of(&db), fs::read(&file).expect("read"));
    check(&db).exits(0);
}

/// Killed at moments that only the machine knows: the database is the old one or the new one, and the same
/// command ends with the same database.
#[test]
fn killed_minus_nine_and_run_again_it_ends_the_same() {
    let dir = temp_dir();
    let large = dir.path().join("checkpoint_epoch_11");
    make_large_database(&large, 60_000);
    let file = dir.path().join("s.bin");
    let bytes = snapshot_of(&large);
    fs::write(&file, &bytes).expect("write");
    let node = dir.path().join("node");
    fs::create_dir(&node).expect("mkdir");
    let mut numbers = Numbers(11);
    let mut interrupted = 0;
    for round in 0..16 {
        let home = dir.path().join(format!("{round}"));
        fs::create_dir(&home).expect("mkdir");
        let replace = round % 2 == 0;
        let db = home.join("db");
        if replace {
            fs::rename(database_with_wal(&node), &db).expect("rename");
        }
        let command = || {
            let mut command = restore(&file, &db);
            command.args(cursor());
            if replace {
                command.arg("--replace-tables");
            }
            command
        };
        // After so many looks at files that appear while it works.
        let looks = numbers.below(400);
        let mut child = command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut seen = 0;
        while seen < looks && child.try_wait().expect("a child").is_none() {
            let tmp = home.join("db.restore.tmp");
            seen += usize::from(tmp.exists());
            std::thread::yield_now();
        }
        child.kill().expect("a child can be killed");
        let ended = child.wait().expect("a child");
        interrupted += u32::from(!ended.success());

        if replace {
            // The old database or the new one.
            let found = snapshot_of(&db);
            assert!(found == bytes || found == fixture_bytes("sealed.bin"));
        }
        run(&mut command()).exits(0);
        assert_eq!(snapshot_of(&db), bytes);
        check(&db).exits(0);
        assert_eq!(names(&home), ["db"]);
    }
    println!("killed while it worked: {interrupted} of 16");
    assert!(interrupted > 0, "the kill never came in time");
}
