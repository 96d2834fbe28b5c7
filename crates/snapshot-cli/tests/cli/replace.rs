//! Outputs take the place of others as a whole, and nothing that is not theirs.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{
    Numbers, Outcome, blob_snapshot, fixture_bytes, make_large_database, names, run, run_unjudged,
    temp_dir,
};

/// Where chunks are while they are made.
const STAGE: &str = ".c.bin.chunks.tmp";

fn tool(dir: &Path, args: &[&str]) -> Command {
    let mut command = blob_snapshot();
    command.current_dir(dir).args(args);
    command
}

/// Two snapshots that are cut into equally many chunks: of `one.bin` the set exists.
fn two_sets(dir: &Path) -> usize {
    for (name, rows) in [("one", 6000), ("two", 6010)] {
        let db = dir.join(name);
        make_large_database(&db, rows);
        let output = format!("{name}.bin");
        let args = ["create", "--epoch", "7", "--db", name, "-o", &output];
        run(&mut tool(dir, &args)).exits(0);
    }
    run(&mut split(dir, "one.bin")).exits(0);
    let chunks = chunks(dir).len();
    assert!(chunks > 5, "{chunks}");
    chunks
}

fn split(dir: &Path, input: &str) -> Command {
    let args = ["split", input, "--max-chunk-size", "64KiB", "-o", "c.bin"];
    tool(dir, &args)
}

fn chunks(dir: &Path) -> Vec<String> {
    let names = names(dir).into_iter();
    names.filter(|name| name.starts_with("c.chunk")).collect()
}

/// What the chunks in place join to, if they do.
fn joined(dir: &Path) -> Option<Vec<u8>> {
    let mut join = tool(dir, &["join", "-o", "joined.bin", "-f"]);
    let Outcome { code, .. } = run_unjudged(join.args(chunks(dir)));
    (code == Some(0)).then(|| fs::read(dir.join("joined.bin")).expect("read"))
}

#[test]
fn killed_while_it_replaces_chunks_it_mixes_none_and_loses_none() {
    let dir = temp_dir();
    let dir = dir.path();
    let count = two_sets(dir);
    let [one, two] = ["one.bin", "two.bin"].map(|name| fs::read(dir.join(name)).expect("read"));
    let mut random = Numbers(9);
    let mut moved = 0;
    for _ in 0..30 {
        let mut command = split(dir, "two.bin");
        command
            .arg("--force")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        // At some moment of the exchange.
        let spins = random.below(40);
        let mut spun = 0;
        while spun < spins && child.try_wait().expect("a child").is_none() {
            spun += usize::from(dir.join(STAGE).join("old").exists());
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child");
        let left = joined(dir);
        assert!(
            left.as_ref()
                .is_none_or(|left| *left == one || *left == two)
        );
        moved += u32::from(left.is_none());

        // Whatever becomes of the next run, the set is there again.
        run(&mut split(dir, "nowhere.bin")).refused(3, &["nowhere.bin"]);
        let left = joined(dir).expect("a whole set");
        assert!(left == one || left == two);
        assert!(!dir.join(STAGE).exists());
        run(split(dir, "one.bin").arg("--force")).exits(0);
        assert_eq!((chunks(dir).len(), joined(dir)), (count, Some(one.clone())));
    }
    println!("killed in the exchange: {moved} of 30");
}

#[test]
fn chunks_that_cannot_be_written_leave_those_that_were_there() {
    let dir = temp_dir();
    let dir = dir.path();
    two_sets(dir);
    let one = fs::read(dir.join("one.bin")).expect("read");
    fs::write(dir.join(STAGE), "a user's").expect("write");
    run(split(dir, "two.bin").arg("--force")).refused(3, &[STAGE, "in the way", "no run made"]);
    assert_eq!(joined(dir), Some(one));
    assert_eq!(fs::read(dir.join(STAGE)).expect("read"), b"a user's");
}

#[test]
fn names_of_others_are_not_taken_and_modes_are_kept() {
    let dir = temp_dir();
    let dir = dir.path();
    fs::write(dir.join("s.bin"), fixture_bytes("sealed.bin")).expect("write");
    fs::write(dir.join("rows.csv.tmp"), "precious").expect("write");
    fs::write(dir.join("rows.csv"), "old").expect("write");
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(dir.join("rows.csv"), mode).expect("chmod");
    run(&mut tool(dir, &["dump", "s.bin", "-o", "rows.csv", "-f"])).exits(0);
    assert_eq!(
        fs::read(dir.join("rows.csv.tmp")).expect("read"),
        b"precious"
    );
    assert_ne!(fs::read(dir.join("rows.csv")).expect("read"), b"old");
    let metadata = fs::metadata(dir.join("rows.csv")).expect("a file");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o640);
    assert_eq!(names(dir), ["rows.csv", "rows.csv.tmp", "s.bin"]);
}

#[test]
fn standard_output_by_another_name_gets_the_snapshot_and_nothing_else() {
    let dir = temp_dir();
    let dir = dir.path();
    fs::write(dir.join("s.bin"), fixture_bytes("sealed.bin")).expect("write");
    symlink("/proc/self/fd/1", dir.join("link")).expect("a link");
    for name in ["link", "/dev/stdout", "/dev/fd/1"] {
        let args = ["convert", "s.bin", "--framing", "sealed", "-o", name];
        for force in [&[][..], &["-f"]] {
            let outcome = run(tool(dir, &args).args(force)).exits(0);
            assert_eq!(outcome.stdout, fixture_bytes("sealed.bin"), "{name}");
        }
    }
    assert!(dir.join("link").is_symlink());
    // Redirected to a file.
    let file = fs::File::create(dir.join("out.bin")).expect("a file");
    let args = [
        "convert",
        "s.bin",
        "--framing",
        "sealed",
        "-o",
        "link",
        "-f",
    ];
    let status = tool(dir, &args).stdout(file).stderr(Stdio::null()).status();
    assert!(status.expect("it starts").success());
    let out = fs::read(dir.join("out.bin")).expect("read");
    assert_eq!(out, fixture_bytes("sealed.bin"));
    let split = ["split", "s.bin", "--max-chunk-size", "15000", "-o", "link"];
    run(&mut tool(dir, &split)).refused(2, &["standard output"]);
}
