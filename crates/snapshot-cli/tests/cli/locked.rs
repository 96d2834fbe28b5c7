//! A database that a running process holds.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

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

/// A process that was killed has its locks until the kernel has torn it down, which takes as long as its
/// memory is large.
#[test]
fn a_holder_that_was_killed_is_waited_for() {
    let dir = temp_dir();
    let db = database_with_wal(dir.path());
    let holds = "import fcntl, sys; memory = b'x' * (400 << 20); lock = open(sys.argv[1], 'r+b'); \
                 fcntl.lockf(lock, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.read()";
    let mut holder = Command::new("python3")
        .args(["-c", holds])
        .arg(db.join("LOCK"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    let mut said = String::new();
    BufReader::new(holder.stdout.take().expect("it is piped"))
        .read_line(&mut said)
        .expect("it holds the lock, or ends");
    assert_eq!(said, "held\n");
    run(blob_snapshot().arg("digest").arg(&db)).refused(3, &["is in use"]);

    holder.kill().expect("it runs");
    run(blob_snapshot().args(["digest", "--epoch", "11"]).arg(&db)).exits(0);
    holder.wait().expect("it was killed");
}
