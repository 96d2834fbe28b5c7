//! Parts that a second process plays: this test binary, started again for one of them.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use snapshot_store::publish::{AtomicFile, Destination, Replace};

const PART: &str = "SNAPSHOT_STORE_TEST_PART";
const TARGET: &str = "SNAPSHOT_STORE_TEST_TARGET";
/// Starts a line of the child that is meant for its parent.
const MARK: &str = "child says: ";

/// A command that plays `part` on `path`, by way of `program` and its arguments if there are any.
pub(crate) fn command(wrapper: &[&str], part: &str, path: &Path) -> Command {
    command_of(&env::current_exe().unwrap(), wrapper, part, path)
}

/// The same with another copy of this binary.
pub(crate) fn command_of(binary: &Path, wrapper: &[&str], part: &str, path: &Path) -> Command {
    let mut command = match wrapper.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(binary);
            command
        }
        None => Command::new(binary),
    };
    command
        .args(["--exact", "child::plays_its_part", "--nocapture"])
        .env(PART, part)
        .env(TARGET, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A child that plays its part until its standard input is closed or it is killed.
pub(crate) struct Running {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Waits for the next thing the child says; `None` if it ends without another word.
    pub(crate) fn said(&mut self) -> Option<String> {
        for line in self.output.by_ref().lines() {
            let line = line.unwrap();
            // The test harness may have begun the line.
            if let Some((_, said)) = line.split_once(MARK) {
                return Some(said.to_owned());
            }
        }
        None
    }

    /// Lets the child end by itself.
    pub(crate) fn finish(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

fn say(what: &str) {
    println!("{MARK}{what}");
}

fn until_parent_closes() {
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Without a part to play, as in every ordinary run, there is nothing to do here.
#[test]
fn plays_its_part() {
    let Ok(part) = env::var(PART) else {
        return;
    };
    let path = PathBuf::from(env::var_os(TARGET).unwrap());
    match part.as_str() {
        "write and hang" => {
            let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
            file.append(&vec![7; 10 << 20]).unwrap();
            say("written");
            until_parent_closes();
        }
        "write under a fixed name and hang" => {
            let tmp = path.with_file_name("out.bin.tmp");
            let mut file = AtomicFile::create_as(&path, &tmp, Replace::Refuse).unwrap();
            file.append(&vec![7; 10 << 20]).unwrap();
            say("written");
            until_parent_closes();
        }
        "write 1 MiB" => {
            let mut file = AtomicFile::create(&path, Replace::Refuse).unwrap();
            file.reserve(1 << 20).unwrap();
            say(&file.append(&vec![7; 1 << 20]).unwrap_err().to_string());
        }
        "exchange a set" => crate::set::exchange(&path),
        "fill the disk" => fill(&path),
        "create" => match AtomicFile::create(&path, Replace::Refuse) {
            Ok(_) => say("created"),
            Err(error) => say(&error.to_string()),
        },
        "name the destination" => say(&format!("{:?}", Destination::of(&path).unwrap())),
        "hold the lock" => {
            let _file = lock(&path);
            say("locked");
            until_parent_closes();
        }
        "ask for the holder" => say(&format!("{:?}", snapshot_store::lock::holder(&path))),
        other => panic!("no such part: {other}"),
    }
}

/// Writes to a file system of 1 MiB more than fits there.
fn fill(path: &Path) {
    let mut file = AtomicFile::create(path, Replace::Refuse).unwrap();
    say(&file.reserve(3 << 20).unwrap_err().to_string());
    file.reserve(100 << 10).unwrap();
    let error = loop {
        if let Err(error) = file.append(&[7; 4096]) {
            break error;
        }
    };
    say(&error.to_string());
    say(&file.append(b"x").unwrap_err().to_string());
    say(&file.commit().unwrap_err().to_string());
    let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
    say(&format!("{left} files left"));
}

/// Takes the lock file at `path` as RocksDB does.
pub(crate) fn lock(path: &Path) -> File {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
    file
}
