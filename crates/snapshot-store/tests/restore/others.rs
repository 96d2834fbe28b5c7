//! Column families that are none of a restore's business, with whatever a node may have in them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::Path;

use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, MergeOperands, Options};
use snapshot_store::merge::MergeFailures;
use snapshot_store::restore::{Finding, OtherFamilies, RestoreError, RestoreOptions};
use snapshot_store::schema::{self, ColumnFamily};

use crate::replace::{OTHER, node_database, options, snapshot};
use crate::support::restored;

const MERGED: &str = "merged";
const ORDERED: &str = "ordered";
const BLOBS: &str = "blobs";

fn longest_first(a: &[u8], b: &[u8]) -> Ordering {
    b.len().cmp(&a.len()).then_with(|| a.cmp(b))
}

fn append(_: &[u8], old: Option<&[u8]>, operands: &MergeOperands) -> Option<Vec<u8>> {
    let mut all = old.unwrap_or_default().to_vec();
    operands.iter().for_each(|operand| all.extend(operand));
    Some(all)
}

fn own_options(name: &str) -> Options {
    let mut options = Options::default();
    match name {
        MERGED => {
            options.set_merge_operator("of the node", append, |_, _, _| None);
            options.set_num_levels(5);
        }
        ORDERED => options.set_comparator("of the node too", Box::new(longest_first)),
        BLOBS => {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(1);
        }
        _ => {}
    }
    options
}

fn open(path: &Path) -> DB {
    let failures = MergeFailures::new();
    let mut options = Options::default();
    options.create_missing_column_families(true);
    let own = ColumnFamily::ALL.map(|family| {
        ColumnFamilyDescriptor::new(family.name(), schema::writer_options(family, &failures))
    });
    let others = [OTHER, MERGED, ORDERED, BLOBS];
    let others = others.map(|name| ColumnFamilyDescriptor::new(name, own_options(name)));
    DB::open_cf_descriptors(&options, path, own.into_iter().chain(others)).expect("a node opens it")
}

/// Rows in files, and more of them in the log only.
fn fill(path: &Path) {
    node_database(path);
    let db = open(path);
    for name in [MERGED, ORDERED, BLOBS] {
        let family = db.cf_handle(name).unwrap();
        for number in 0..60_u32 {
            let key = "k".repeat(1 + number as usize % 7) + &number.to_string();
            if name == MERGED {
                db.merge_cf(family, "one", number.to_string()).unwrap();
            }
            db.put_cf(family, key, "v".repeat(100)).unwrap();
            if number == 30 {
                db.flush_cf(family).unwrap();
            }
        }
    }
}

fn rows(db: &DB, name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let family = db.cf_handle(name).unwrap();
    db.iterator_cf(family, IteratorMode::Start)
        .map(|row| {
            row.map(|(key, value)| (key.into_vec(), value.into_vec()))
                .unwrap()
        })
        .collect()
}

/// Files of the other column families with their levels.
fn files(path: &Path) -> BTreeSet<(String, u64, u32)> {
    let manifest = snapshot_store::wal::read_manifest(path).unwrap();
    let others = manifest.families.into_values();
    let others = others.filter(|family| ColumnFamily::from_name(&family.name).is_none());
    others
        .flat_map(|family| {
            let name = family.name;
            family
                .tables
                .into_iter()
                .map(move |(number, file)| (name.clone(), number, file.level))
        })
        .collect()
}

fn with_own_options() -> RestoreOptions {
    let own = |name: &str| (name == ORDERED).then(|| own_options(name));
    RestoreOptions {
        other_families: OtherFamilies::new(own),
        ..options(true)
    }
}

#[test]
fn their_rows_and_files_stay_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    fill(&target);
    let before = files(&target);
    assert!(before.len() >= 3, "{before:?}");
    let copy = dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for (name, bytes) in crate::replace::contents(&target) {
        std::fs::write(copy.join(name), bytes).unwrap();
    }
    restored(&snapshot(dir.path()), &target, &with_own_options()).unwrap();
    assert_eq!(files(&target), before);
    let (expected, found) = (open(&copy), open(&target));
    for name in [OTHER, MERGED, ORDERED, BLOBS] {
        assert_eq!(rows(&found, name), rows(&expected, name), "{name}");
        found
            .put_cf(found.cf_handle(name).unwrap(), "more", "1")
            .unwrap();
        found.flush_cf(found.cf_handle(name).unwrap()).unwrap();
    }
    let merged = rows(&found, MERGED);
    assert!(
        merged
            .iter()
            .any(|(key, value)| key == b"one" && value.starts_with(b"0123456"))
    );
}

#[test]
fn a_comparator_of_their_own_is_found_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("db");
    fill(&target);
    let refused = restored(&snapshot(dir.path()), &target, &options(true));
    let Err(RestoreError::Refused { findings }) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(&findings[..], [Finding::Comparator { family, comparator, .. }]
            if family == ORDERED && comparator == "of the node too"),
        "{findings:?}"
    );
}
