//! A `create` that is killed leaves no file that looks finished, and the next one is not disturbed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    blob_snapshot, checkpoint, cleaned, fixture_bytes, make_large_database, names, run,
    run_unjudged, temp_dir,
};

/// `SIGXFSZ`, which kills a process that makes a file longer than it may.
const SIGXFSZ: i32 = 25;

#[test]
fn killed_at_a_byte_of_the_output_it_leaves_nothing_finished() {
    let dir = temp_dir();
    let db = dir.path().join("checkpoint_epoch_2");
    make_large_database(&db, 20_000);
    let whole = run(create(&db, Path::new("-")).current_dir(dir.path()))
        .exits(0)
        .stdout;
    let out = dir.path().join("out");
    fs::create_dir(&out).expect("mkdir");
    let output = out.join("o.bin");
    // In units of 1 KiB; the file has about 2600.
    for limit in ["1", "100", "1000", "2000"] {
        let mut killed = cleaned(Command::new("bash"));
        killed.args([
            "-c",
            "ulimit -c 0 && ulimit -f \"$0\" && exec \"$@\"",
            limit,
        ]);
        killed.arg(env!("CARGO_BIN_EXE_blob-snapshot"));
        killed
            .args(["create", "--db"])
            .arg(&db)
            .arg("--output")
            .arg(&output);
        let outcome = run_unjudged(&mut killed);
        assert_eq!(outcome.signal, Some(SIGXFSZ), "{outcome:?}");
        assert_eq!(names(&out), ["o.bin.tmp"], "limit {limit}");

        // What was left is no snapshot, and not in the way.
        run(blob_snapshot().arg("verify").arg(out.join("o.bin.tmp"))).refused(1, &["ends early"]);
        run(&mut create(&db, &output)).exits(0);
        assert_eq!(names(&out), ["o.bin"]);
        assert_eq!(fs::read(&output).expect("read"), whole);
        fs::remove_file(&output).expect("remove");
    }
}

#[test]
fn killed_minus_nine_it_leaves_nothing_finished() {
    let dir = temp_dir();
    let db = dir.path().join("checkpoint_epoch_2");
    make_large_database(&db, 200_000);
    let whole = run(&mut create(&db, Path::new("-"))).exits(0).stdout;
    let out = dir.path().join("out");
    let output = out.join("o.bin");
    let mut in_the_middle = 0;
    for _ in 0..20 {
        fs::create_dir(&out).expect("mkdir");
        let mut command = create(&db, &output);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        // Until it has written something, or is done.
        while !fs::metadata(out.join("o.bin.tmp")).is_ok_and(|tmp| tmp.len() > 0)
            && child.try_wait().expect("a child").is_none()
        {
            std::thread::yield_now();
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child");
        match names(&out).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["o.bin.tmp"] => in_the_middle += 1,
            ["o.bin"] => assert_eq!(fs::read(&output).expect("read"), whole),
            ref names => panic!("{names:?}"),
        }
        fs::remove_dir_all(&out).expect("remove");
    }
    println!("killed while it wrote: {in_the_middle} of 20");
    assert!(in_the_middle > 0, "the kill never came in time");
}

#[test]
fn an_existing_file_survives_a_killed_replacement() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let output = dir.path().join("o.bin");
    fs::write(&output, "precious").expect("write");
    let mut killed = cleaned(Command::new("bash"));
    killed.args(["-c", "ulimit -c 0 && ulimit -f 8 && exec \"$0\" \"$@\""]);
    killed.arg(env!("CARGO_BIN_EXE_blob-snapshot"));
    killed
        .args(["create", "--force", "--db"])
        .arg(&db)
        .arg("--output")
        .arg(&output);
    let outcome = run_unjudged(&mut killed);
    assert_eq!(outcome.signal, Some(SIGXFSZ), "{outcome:?}");
    assert_eq!(fs::read(&output).expect("read"), b"precious");
    run(create(&db, &output).arg("--force")).exits(0);
    assert_eq!(
        fs::read(&output).expect("read"),
        fixture_bytes("sealed.bin")
    );
}

fn create(db: &Path, output: &Path) -> Command {
    let mut command = blob_snapshot();
    command
        .args(["create", "--db"])
        .arg(db)
        .arg("--output")
        .arg(output);
    command
}
