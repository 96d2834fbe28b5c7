//! A database that a running process holds.

use crate::common::{
    blob_snapshot, database_with_wal, fixture_bytes, make_database, object_id, row, run, tables,
    temp_dir,
};

#[test]
fn a_held_database_is_refused_with_its_holder() {
    let dir = temp_dir();
    let path = dir.path().join("checkpoint_epoch_1");
    // This process is the node; the binary is another one.
    let node = make_database(&path, &tables());
    let family = node.cf_handle("per_object_blob_info").expect("just made");
    node.put_cf(family, object_id(1).as_bytes(), row(1).encode())
        .expect("put");

    let create = |args: &[&str]| {
        let mut command = blob_snapshot();
        command
            .args(["create", "--output", "-", "--db"])
            .arg(&path)
            .args(args);
        run(&mut command)
    };
    let pid = format!("process {}", std::process::id());
    let outcome = create(&[]).refused(3, &["is in use", &pid, "--allow-live"]);
    assert_eq!(outcome.stdout, b"");
    for command in ["digest", "inspect", "fingerprint"] {
        run(blob_snapshot().arg(command).arg(&path)).refused(3, &["is in use", &pid]);
    }

    run(blob_snapshot().arg("diff").arg(&path).arg(&path)).refused(3, &["is in use", &pid]);

    let outcome = create(&["--allow-live"]).exits(0);
    assert!(outcome.stderr.contains("warning: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&pid), "{}", outcome.stderr);
    // Neither attempt has hurt the node.
    node.put_cf(family, object_id(2).as_bytes(), row(2).encode())
        .expect("put");

    drop(node);
    let outcome = create(&[]).exits(0);
    assert!(outcome.stderr.contains("2 rows"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
}

#[test]
fn a_lock_file_that_nobody_holds_is_no_hindrance() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    assert!(db.join("LOCK").exists());
    let mut command = blob_snapshot();
    command
        .args(["create", "--epoch", "11", "--output", "-", "--db"])
        .arg(&db);
    assert_eq!(
        run(&mut command).exits(0).stdout,
        fixture_bytes("sealed.bin")
    );
}
