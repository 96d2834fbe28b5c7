//! The program prints every row of the table, whatever the figures.

use std::fs;
use std::process::Command;

fn bench(args: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_snapshot-bench"))
        .args(["--rows", "2000", "--runs", "1"])
        .args(args)
        .output()
        .expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn every_row_is_in_the_table_and_in_the_json() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let scratch = dir.path().to_str().expect("text");
    let json = dir.path().join("table.json");
    let json_arg = json.to_str().expect("text");
    let (ok, text, errors) = bench(&["--dir", scratch, "--json", json_arg, "--growth"]);
    assert!(ok, "{errors}");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&json).expect("a file")).expect("JSON");
    let rows = report["table"].as_array().expect("rows");
    for (what, count) in [
        ("create, fsynced, vs baseline", 2),
        ("create, fsynced, vs write + fsync", 2),
        ("create to /dev/null vs bare iteration", 2),
        ("verify from page cache, one core", 1),
        ("restore, three tables, verified, vs baseline", 1),
        ("  all tables, read back, vs baseline", 1),
        ("pause at the boundary, mode checkpoint", 3),
        ("pause at the boundary, mode snapshot", 3),
        ("peak memory of create", 2),
        ("peak memory of verify", 1),
        ("digest exchange to locate a divergence", 1),
        ("peak memory of diff", 1),
        ("peak memory of restore", 1),
        ("growth of create, fsynced", 1),
        ("growth of create to /dev/null", 1),
        ("growth of verify", 1),
    ] {
        let found: Vec<_> = rows.iter().filter(|row| row["what"] == what).collect();
        assert_eq!(found.len(), count, "{what} in {text}");
        for row in found {
            assert!(row["ratio"].as_f64().is_some_and(f64::is_finite), "{row}");
            assert!(row["met"].is_string(), "{row}");
            assert!(
                row["bound_by"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{row}"
            );
        }
        assert!(text.contains(what), "{what} in {text}");
    }
    let left: Vec<_> = fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "only the JSON file is left");
}

#[test]
fn one_step_alone_can_be_asked_for() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (ok, text, errors) = bench(&[
        "--dir",
        dir.path().to_str().expect("text"),
        "--only",
        "verify",
    ]);
    assert!(ok, "{errors}");
    assert!(
        text.contains("verify from page cache") && !text.contains("create"),
        "{text}"
    );
}

#[test]
fn the_pause_is_measured_at_three_sizes_and_needs_no_other_database() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let (ok, text, errors) = bench(&[
        "--dir",
        dir.path().to_str().expect("text"),
        "--only",
        "pause",
    ]);
    assert!(ok, "{errors}");
    let lines = |what| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!(lines("pause at the boundary, mode checkpoint"), 3, "{text}");
    assert_eq!(lines("pause at the boundary, mode snapshot"), 3, "{text}");
    assert!(!errors.contains("making a database"), "{errors}");
}

#[test]
fn memory_is_no_disk() {
    if !fs::exists("/dev/shm").expect("a file system") {
        return;
    }
    let (ok, _, errors) = bench(&["--dir", "/dev/shm"]);
    assert!(!ok);
    assert!(errors.contains("give --dir on a disk"), "{errors}");
}
