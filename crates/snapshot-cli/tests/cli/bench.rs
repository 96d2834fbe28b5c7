//! `bench-blob-info-snapshot`: what it reports and what it leaves behind.

use std::fs;
use std::path::Path;

use crate::common::{
    Outcome, blob_snapshot, checkpoint, fixture_bytes, names, run, sealed_digest, temp_dir,
};

fn bench_in(dir: &Path, args: &[&str]) -> Outcome {
    let mut command = blob_snapshot();
    command.current_dir(dir).args([
        "bench-blob-info-snapshot",
        "--db-path",
        "checkpoint_epoch_11",
    ]);
    run(command.args(args))
}

#[test]
fn it_measures_every_step_and_leaves_nothing() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let outcome = bench_in(dir.path(), &[]).exits(0);
    let text = outcome.text();
    let first = format!("digest {} (sealed, epoch 11, 318 rows)", sealed_digest());
    assert_eq!(text.lines().next(), Some(&*first));
    let steps = [
        "41207 bytes (40.2 KiB), 129.6 bytes per row",
        "serialize + write + sync",
        "read + decode + verify",
        "bulk load into a database",
        "zstd level 1, compress",
        "zstd level 3, decompress",
        "zstd level 9, compress",
    ];
    for step in steps {
        assert!(text.contains(step), "no `{step}` in {text}");
    }
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11"]);
}

#[test]
fn json_has_figures_of_every_step() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let args = ["--output", "o.bin", "--zstd-levels", "1,19", "--json"];
    let json = bench_in(dir.path(), &args).exits(0).json();
    assert_eq!(json["digest"], sealed_digest());
    assert_eq!(json["counts"]["per_object_pooled_blob_info"], 66);
    assert_eq!(json["output"], "o.bin");
    for step in ["create", "verify", "bulk_load"] {
        for figure in ["seconds", "bytes_per_second", "rows_per_second"] {
            assert!(
                json[step][figure].as_f64().is_some_and(|it| it > 0.0),
                "{step} {figure}"
            );
        }
    }
    let files = serde_json::json!({
        "per_object_blob_info": 1, "per_object_pooled_blob_info": 1, "storage_pool_info": 1,
    });
    assert_eq!(json["bulk_load"]["files"], files);
    let levels: Vec<_> = json["zstd"].as_array().expect("an array").iter().collect();
    assert_eq!(levels.len(), 2);
    assert_eq!(levels[1]["level"], 19);
    assert!(
        levels
            .iter()
            .all(|it| it["ratio"].as_f64().is_some_and(|it| it > 1.0)),
        "{json}"
    );
    assert_eq!(
        fs::read(dir.path().join("o.bin")).expect("kept"),
        fixture_bytes("sealed.bin")
    );
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11", "o.bin"]);
}

#[test]
fn steps_can_be_skipped() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let args = ["--skip-bulk-load", "--zstd-levels", "none", "--json"];
    let json = bench_in(dir.path(), &args).exits(0).json();
    assert_eq!(json["bulk_load"], serde_json::Value::Null);
    assert_eq!(json["zstd"], serde_json::json!([]));
    for levels in ["0", "23", "x", "1,,3", ""] {
        bench_in(dir.path(), &["--zstd-levels", levels]).refused(2, &["from 1 to 22"]);
    }
}

#[test]
fn nothing_is_left_after_an_error() {
    let dir = temp_dir();
    checkpoint(dir.path());
    fs::write(dir.path().join("there.bin"), "precious").expect("write");
    bench_in(dir.path(), &["--output", "there.bin"]).refused(3, &["there.bin", "exists"]);
    assert_eq!(
        fs::read(dir.path().join("there.bin")).expect("read"),
        b"precious"
    );
    assert_eq!(names(dir.path()), ["checkpoint_epoch_11", "there.bin"]);
}

#[test]
fn the_scratch_directory_can_be_chosen_and_must_be_usable() {
    let dir = temp_dir();
    checkpoint(dir.path());
    fs::create_dir(dir.path().join("scratch")).expect("mkdir");
    let json = bench_in(dir.path(), &["--scratch-dir", "scratch", "--json"])
        .exits(0)
        .json();
    assert!(
        json["scratch"]
            .as_str()
            .is_some_and(|it| it.contains("scratch/")),
        "{json}"
    );
    bench_in(dir.path(), &["--scratch-dir", "no/such"]).refused(3, &["no/such", "--scratch-dir"]);
}

#[test]
fn what_a_killed_run_left_is_deleted_and_what_others_use_is_not() {
    let dir = temp_dir();
    checkpoint(dir.path());
    let left = dir.path().join(".blob-snapshot-bench-killed");
    let used = dir.path().join(".blob-snapshot-bench-in-use");
    let foreign = dir.path().join(".blob-snapshot-bench-not-ours");
    for path in [&left, &used, &foreign] {
        fs::create_dir(path).expect("mkdir");
        fs::write(path.join("snapshot.bin"), "x").expect("write");
    }
    fs::write(left.join("lock"), "").expect("write");
    let lock = fs::File::create(used.join("lock")).expect("create");
    lock.try_lock().expect("nobody else has it");
    bench_in(dir.path(), &["--zstd-levels", "none"]).exits(0);
    assert!(
        !left.exists() && used.exists() && foreign.exists(),
        "{:?}",
        names(dir.path())
    );
}
