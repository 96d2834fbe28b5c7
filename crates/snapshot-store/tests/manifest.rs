//! A manifest that was cut between two records is noticed by the files it no longer knows.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::Fixture;
use snapshot_format::{Header, SealedHeader};
use snapshot_store::wal::{Fault, TableFiles, WalError, compare_table_files};
use snapshot_store::{
    CreateOptions, Database, OpenError, OpenOptions, OpenWarning, Progress, create,
};

/// What became of opening a database and creating a snapshot of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It did not open.
    Refused,
    /// It did not open because of files that its manifest does not know.
    RefusedFiles,
    /// It opened with a warning, but its rows contradict each other.
    WarnedRefused,
    /// Another snapshot, after a warning.
    WarnedOther,
    /// The right snapshot, after a warning.
    WarnedSame,
    /// Another snapshot without a warning, which must never be.
    Other,
    /// The right snapshot without a warning.
    Same,
}

fn outcome(path: &Path, fixture: &Fixture) -> Outcome {
    let database = match Database::open(path, &OpenOptions::default()) {
        Ok(database) => database,
        Err(OpenError::UnreferencedFiles { .. }) => return Outcome::RefusedFiles,
        Err(_) => return Outcome::Refused,
    };
    let mut bytes = Vec::new();
    let header = Header::Sealed(SealedHeader::offline(fixture.epoch));
    let options = CreateOptions::default();
    let created = create(&database, &header, &mut bytes, &options, &Progress::new()).is_ok();
    match (database.warnings(), created, bytes == fixture.sealed()) {
        ([], true, true) => Outcome::Same,
        ([], true, false) => Outcome::Other,
        ([], false, _) => Outcome::Refused,
        ([OpenWarning::UnreferencedFiles { .. }], true, true) => Outcome::WarnedSame,
        ([OpenWarning::UnreferencedFiles { .. }], true, false) => Outcome::WarnedOther,
        ([OpenWarning::UnreferencedFiles { .. }], false, _) => Outcome::WarnedRefused,
        (other, ..) => panic!("unexpected warnings {other:?}"),
    }
}

/// How often each outcome came up, over all lengths the manifest can be cut to.
fn cut_everywhere(path: &Path, fixture: &Fixture) -> BTreeMap<Outcome, usize> {
    let manifest = path.join("MANIFEST-000005");
    let whole = fs::read(&manifest).expect("a manifest");
    let mut outcomes = BTreeMap::new();
    for length in 0..whole.len() {
        fs::write(&manifest, &whole[..length]).expect("written");
        let outcome = outcome(path, fixture);
        assert_ne!(outcome, Outcome::Other, "cut to {length} bytes");
        *outcomes.entry(outcome).or_default() += 1;
    }
    fs::write(&manifest, &whole).expect("written");
    outcomes
}

fn cut(path: &Path, length: u64) -> PathBuf {
    let manifest = path.join("MANIFEST-000005");
    let file = fs::File::options().write(true).open(&manifest);
    file.and_then(|file| file.set_len(length))
        .expect("a manifest");
    manifest
}

/// Appends an intact record to a manifest that has room for it in its first block.
fn append(path: &Path, record: &[u8]) {
    const FULL: u8 = 1;
    const MASK_DELTA: u32 = 0xa282_ead8;

    let checked = [&[FULL], record].concat();
    let checksum = crc32c::crc32c(&checked).rotate_right(15);
    let mut bytes = fs::read(path).expect("a manifest");
    bytes.extend(checksum.wrapping_add(MASK_DELTA).to_le_bytes());
    bytes.extend(u16::try_from(record.len()).expect("short").to_le_bytes());
    bytes.extend(checked);
    fs::write(path, bytes).expect("written");
}

#[test]
fn what_a_newer_rocksdb_adds_is_no_false_alarm() {
    let fixture = Fixture::node_b();
    let path = fixture.checkpoint();
    let manifest = path.join("MANIFEST-000005");
    fs::copy(path.join("000016.sst"), path.join("000099.sst")).expect("copied");

    // A field with a length that may be passed over: the comparison goes on.
    append(&manifest, b"\xe7\x47\x02xy");
    let found = compare_table_files(&path).expect("intact");
    let expected = TableFiles::Compared {
        manifest: manifest.clone(),
        unreferenced: vec![path.join("000099.sst")],
    };
    assert_eq!(found, expected);

    // One that may not: nothing is said about the files, and RocksDB refuses it.
    append(&manifest, b"\xcc\x01\x01");
    let found = compare_table_files(&path).expect("intact");
    let expected = TableFiles::NotCompared { manifest, tag: 204 };
    assert_eq!(found, expected);
    let error = Database::open(&path, &OpenOptions::default()).expect_err("an unknown tag");
    assert!(matches!(error, OpenError::RocksDb { .. }), "{error}");
}

#[test]
fn a_change_that_does_not_decode_is_damage() {
    let fixture = Fixture::node_b();
    let manifest = fixture.checkpoint().join("MANIFEST-000005");
    append(&manifest, b"\x06\x00");
    let error = compare_table_files(&fixture.checkpoint()).expect_err("a deletion of no file");
    let WalError::Damaged { offset, fault, .. } = error else {
        panic!("expected damage, got {error:?}");
    };
    assert_eq!((offset, fault), (5973, Fault::VersionEdit { tag: 6 }));
}

#[test]
fn whole_databases_pass_without_a_warning() {
    let fixture = Fixture::node_b();
    for path in [fixture.checkpoint(), fixture.unflushed()] {
        let manifest = path.join("MANIFEST-000005");
        let expected = TableFiles::Compared {
            manifest,
            unreferenced: Vec::new(),
        };
        assert_eq!(compare_table_files(&path).expect("whole"), expected);
        assert_eq!(outcome(&path, &fixture), Outcome::Same);
    }
}

#[test]
fn a_cut_checkpoint_never_gives_another_snapshot() {
    let fixture = Fixture::node_b();
    let outcomes = cut_everywhere(&fixture.checkpoint(), &fixture);
    // 69 records end before the file does; the last one, alone missing, adds no file.
    let expected = [
        (Outcome::Refused, 5973 - 69),
        (Outcome::RefusedFiles, 68),
        (Outcome::Same, 1),
    ];
    assert_eq!(outcomes, BTreeMap::from(expected));
}

#[test]
fn a_cut_database_never_gives_another_snapshot_without_a_warning() {
    let fixture = Fixture::node_b();
    let outcomes = cut_everywhere(&fixture.unflushed(), &fixture);
    // Most cuts are refused for column families that are not there yet.
    let expected = [(Outcome::Refused, 5027 - 1), (Outcome::WarnedRefused, 1)];
    assert_eq!(outcomes, BTreeMap::from(expected));
}

#[test]
fn the_error_names_the_manifest_and_the_first_files() {
    let fixture = Fixture::node_b();
    // The manifest before the checkpoint's own flush.
    let manifest = cut(&fixture.checkpoint(), 5027);
    let error = Database::open(&fixture.checkpoint(), &OpenOptions::default())
        .expect_err("six files are not known");
    assert!(matches!(&error, OpenError::UnreferencedFiles { files, .. } if files.len() == 6));
    assert_eq!(
        error.to_string(),
        format!(
            "{} ends before 000036.sst, 000037.sst, 000038.sst and 3 more were added: it was cut, \
             or is older than they are; take another checkpoint, or copy the database again",
            manifest.display()
        )
    );
}

#[test]
fn files_a_killed_node_left_are_a_warning_where_there_is_a_log() {
    let fixture = Fixture::node_b();
    let left = "000099.sst";
    for path in [fixture.checkpoint(), fixture.unflushed()] {
        fs::copy(path.join("000016.sst"), path.join(left)).expect("copied");
        // What RocksDB would not take for a table file either.
        fs::write(path.join("99.sst"), b"").expect("written");
        fs::write(path.join("000100.sst.tmp"), b"").expect("written");
    }
    assert_eq!(
        outcome(&fixture.checkpoint(), &fixture),
        Outcome::RefusedFiles
    );
    assert_eq!(outcome(&fixture.unflushed(), &fixture), Outcome::WarnedSame);
    let database = Database::open(&fixture.unflushed(), &OpenOptions::default()).expect("whole");
    let files = vec![fixture.unflushed().join(left)];
    assert_eq!(
        database.warnings().first().map(ToString::to_string),
        Some(format!(
            "rows may be missing if {}/MANIFEST-000005 was cut: it does not know 000099.sst; a \
             node that was killed leaves such files too, so compare the digest with another node's \
             or use a checkpoint",
            fixture.unflushed().display()
        ))
    );
    assert!(
        matches!(database.warnings(), [OpenWarning::UnreferencedFiles { files: found, .. }] if *found == files)
    );
}

#[test]
fn a_table_file_that_is_missing_is_named_or_not_needed() {
    let fixture = Fixture::node_b();
    let path = fixture.checkpoint();
    let mut named = Vec::new();
    let mut unopened = 0;
    let files: Vec<PathBuf> = fs::read_dir(&path)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "sst"))
        .collect();
    for file in files {
        let aside = file.with_extension("aside");
        fs::rename(&file, &aside).expect("moved");
        let name = file.file_name().expect("a name").to_string_lossy();
        match Database::open(&path, &OpenOptions::default()) {
            Err(error) => {
                assert!(matches!(error, OpenError::MissingFile { .. }), "{error}");
                assert!(error.to_string().contains(&*name), "{error}");
                named.push(name.into_owned());
            }
            // Of a column family that no snapshot needs.
            Ok(_) => {
                assert_eq!(outcome(&path, &fixture), Outcome::Same, "{name}");
                unopened += 1;
            }
        }
        fs::rename(&aside, &file).expect("moved");
    }
    named.sort();
    let three_tables = [
        "17", "18", "19", "24", "25", "26", "31", "33", "34", "38", "40", "41",
    ];
    assert_eq!(
        named,
        three_tables.map(|number| format!("0000{number}.sst"))
    );
    assert_eq!(unopened, 12);
}
