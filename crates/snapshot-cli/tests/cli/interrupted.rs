//! A `create` that is killed leaves no file that looks finished, and the next one is not disturbed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    blob_snapshot, checkpoint, cleaned, fixture_bytes, make_large_database, names, run, temp_dir,
};

#[test]
fn an_output_that_may_not_be_so_long_is_refused_and_leaves_nothing() {
    let dir = temp_dir();
    let db = dir.path().join("checkpoint_epoch_2");
    make_large_database(&db, 20_000);
    let out = dir.path().join("out");
    fs::create_dir(&out).expect("mkdir");
    let output = out.join("o.bin");
    // In units of 1 KiB; the file has about 2600.
    for limit in ["1", "100", "1000", "2000"] {
        run(&mut limited(limit, &mut create(&db, &output))).refused(3, &["ulimit -f", "o.bin"]);
        assert!(names(&out).is_empty(), "limit {limit}");
        let mut chunks = create(&db, &output);
        chunks.args(["--max-chunk-size", "1500KiB"]);
        if limit != "2000" {
            run(&mut limited(limit, &mut chunks)).refused(3, &["ulimit -f", "o.chunk-"]);
            assert!(names(&out).is_empty(), "limit {limit}");
        }
    }
    run(&mut create(&db, &output)).exits(0);
    assert_eq!(names(&out), ["o.bin"]);
}

/// `command` where no file may be longer than `limit` KiB.
fn limited(limit: &str, command: &mut Command) -> Command {
    let mut limited = cleaned(Command::new("bash"));
    limited.args([
        "-c",
        "ulimit -c 0 && ulimit -f \"$0\" && exec \"$@\"",
        limit,
    ]);
    limited.arg(command.get_program());
    limited.args(command.get_args());
    limited
}

#[test]
fn killed_minus_nine_it_leaves_nothing_at_all() {
    let dir = temp_dir();
    let db = dir.path().join("checkpoint_epoch_2");
    make_large_database(&db, 200_000);
    let whole = run(&mut create(&db, Path::new("-"))).exits(0).stdout;
    let out = dir.path().join("out");
    let output = out.join("o.bin");
    let mut in_the_middle = 0;
    for round in 0..20 {
        fs::create_dir(&out).expect("mkdir");
        let mut command = create(&db, &output);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        // Until it has the file open, or is done.
        while !has_open(child.id(), &out) && child.try_wait().expect("a child").is_none() {
            std::thread::yield_now();
        }
        let signal = if round % 2 == 0 { "-KILL" } else { "-TERM" };
        let mut kill = cleaned(Command::new("kill"));
        run(kill.arg(signal).arg(child.id().to_string())).exits(0);
        child.wait().expect("a child");
        match names(&out).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => in_the_middle += 1,
            ["o.bin"] => assert_eq!(fs::read(&output).expect("read"), whole),
            ref names => panic!("{names:?}"),
        }
        fs::remove_dir_all(&out).expect("remove");
    }
    println!("killed while it wrote: {in_the_middle} of 20");
    assert!(in_the_middle > 0, "the kill never came in time");
}

/// Whether the process has a file in `dir` open.
fn has_open(pid: u32, dir: &Path) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let mut targets = descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.any(|target| target.starts_with(dir) && target != dir)
}

#[test]
fn an_existing_file_survives_a_killed_replacement() {
    let dir = temp_dir();
    let db = checkpoint(dir.path());
    let output = dir.path().join("o.bin");
    fs::write(&output, "precious").expect("write");
    run(&mut limited("8", create(&db, &output).arg("--force"))).refused(3, &["ulimit -f"]);
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
