//! Running the binary, judging how it ended, and the databases and files of the fixtures.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rocksdb::{ColumnFamilyDescriptor, DB, Options, WriteBatch};
use serde_json::Value;
use snapshot_format::{
    BlobId, Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1, Table,
    TransactionDigest,
};
use snapshot_store::merge::MergeFailures;
use snapshot_store::schema::{self, ColumnFamily};
pub(crate) use tempfile::TempDir;

/// The epoch of the fixtures.
pub(crate) const EPOCH: u32 = 11;

/// How the binary ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("results are UTF-8")
    }

    /// Standard output as the one JSON object it must be.
    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "one line of JSON: {text}");
        serde_json::from_str(&text).expect("standard output is JSON")
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stderr: {}\nstdout: {}",
            self.stderr,
            self.lossy()
        );
        self
    }

    /// Asserts a refusal: the exit code, nothing of a result, and all of `words` on standard error.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, words: &[&str]) -> Self {
        let outcome = self.exits(code);
        for word in words {
            assert!(
                outcome.stderr.contains(word),
                "no `{word}` in: {}",
                outcome.stderr
            );
        }
        let says_error = outcome
            .stderr
            .lines()
            .any(|line| line.starts_with("error: "));
        assert!(
            says_error,
            "no line begins with `error: `: {}",
            outcome.stderr
        );
        outcome
    }

    fn lossy(&self) -> String {
        let begin = self.stdout.get(..500).unwrap_or(&self.stdout);
        String::from_utf8_lossy(begin).into_owned()
    }
}

/// The binary, away from the user's settings and terminal.
pub(crate) fn blob_snapshot() -> Command {
    cleaned(Command::new(env!("CARGO_BIN_EXE_blob-snapshot")))
}

/// Any command, away from the user's settings and terminal.
pub(crate) fn cleaned(mut command: Command) -> Command {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs `command` to its end. A panic or a death by signal is never an answer.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Outcome {
    let outcome = run_unjudged(command);
    assert_eq!(outcome.signal, None, "killed; stderr: {}", outcome.stderr);
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    assert!(
        matches!(outcome.code, Some(0..=3)),
        "exit code {:?}: {}",
        outcome.code,
        outcome.stderr
    );
    outcome
}

/// As [`run`], whatever happens.
pub(crate) fn run_unjudged(command: &mut Command) -> Outcome {
    let output = command.output().expect("the command starts");
    Outcome {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// As [`run`], with `input` on standard input.
#[track_caller]
pub(crate) fn run_with_input(command: &mut Command, input: Vec<u8>) -> Outcome {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let writer = std::thread::spawn(move || {
        // A command that refuses its input need not read it to the end.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the command ends");
    writer.join().expect("the writer does not panic");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    Outcome {
        code: output.status.code(),
        signal: output.status.signal(),
        stdout: output.stdout,
        stderr,
    }
}

/// A new directory.
pub(crate) fn temp_dir() -> TempDir {
    tempfile::tempdir().expect("a directory for the test")
}

/// The path of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../snapshot-store/tests/fixtures/node-b")
        .join(name)
}

/// The bytes of a fixture.
pub(crate) fn fixture_bytes(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).expect("a fixture")
}

/// A field of the fixtures' `info.txt`.
pub(crate) fn info(name: &str) -> String {
    let text = fs::read_to_string(fixture("info.txt")).expect("a fixture");
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines
        .find(|(key, _)| *key == name)
        .expect("a field of info.txt");
    value.to_owned()
}

/// The digest of the sealed fixture, which is its trailer.
pub(crate) fn sealed_digest() -> String {
    let bytes = fixture_bytes("sealed.bin");
    bytes[bytes.len() - 8..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The digest of the counted fixture.
pub(crate) fn counted_digest() -> String {
    info("snapshot_xxhash64")
}

/// The options that give the cursor of the counted fixture.
pub(crate) fn cursor() -> [String; 6] {
    let byte = info("event_digest_byte").parse().expect("a byte");
    [
        "--event-tx-digest".to_owned(),
        TransactionDigest::new([byte; 32]).to_string(),
        "--event-seq".to_owned(),
        info("event_seq"),
        "--next-event-index".to_owned(),
        info("next_index"),
    ]
}

/// Unpacks the fixture `<name>.tar.zst`, a directory `name`, into `dir`.
pub(crate) fn unpack(name: &str, dir: &Path) -> PathBuf {
    let packed = fs::File::open(fixture(&format!("{name}.tar.zst"))).expect("a fixture");
    let unpacked = zstd::stream::read::Decoder::new(packed).expect("a Zstandard file");
    tar::Archive::new(unpacked).unpack(dir).expect("a tar file");
    dir.join(name)
}

/// The checkpoint of the fixtures, unpacked into `dir`.
pub(crate) fn checkpoint(dir: &Path) -> PathBuf {
    unpack("checkpoint_epoch_11", dir)
}

/// The database of the fixtures with rows in its WAL, unpacked into `dir`.
pub(crate) fn database_with_wal(dir: &Path) -> PathBuf {
    unpack("db_boundary_unflushed", dir)
}

/// Makes an empty database with the column families of `families`.
pub(crate) fn make_database(path: &Path, families: &[ColumnFamily]) -> DB {
    let failures = MergeFailures::new();
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let descriptors = families.iter().map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(*family, &failures))
    });
    DB::open_cf_descriptors(&options, path, descriptors).expect("a new database")
}

/// The column families of the three tables.
pub(crate) fn tables() -> [ColumnFamily; 3] {
    Table::ALL.map(ColumnFamily::from)
}

/// Makes a database with `rows` rows in `per_object_blob_info`, closed and in SST files.
pub(crate) fn make_large_database(path: &Path, rows: u64) {
    let db = make_database(path, &tables());
    let family = db
        .cf_handle(Table::PerObjectBlobInfo.name())
        .expect("just made");
    for batch_start in (0..rows).step_by(10_000) {
        let mut batch = WriteBatch::default();
        for number in batch_start..rows.min(batch_start + 10_000) {
            batch.put_cf(family, object_id(number).as_bytes(), row(number).encode());
        }
        db.write(batch).expect("a batch is written");
    }
    db.flush_cf(family).expect("the table is flushed");
}

/// An object ID that increases with `number`.
pub(crate) fn object_id(number: u64) -> ObjectId {
    let mut bytes = [0x5a; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ObjectId::new(bytes)
}

/// A row of `per_object_blob_info`.
pub(crate) fn row(number: u64) -> PerObjectBlobInfo {
    let byte = number.to_le_bytes()[0];
    PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
        blob_id: BlobId::new([byte; 32]),
        registered_epoch: Epoch(5),
        certified_epoch: Some(Epoch(6)),
        end_epoch: Epoch(50),
        deletable: number.is_multiple_of(2),
        event: EventId {
            tx_digest: TransactionDigest::new([byte; 32]),
            event_seq: number,
        },
        deleted: false,
    })
}

/// The names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a name in UTF-8")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).expect("below a usize")
    }
}
