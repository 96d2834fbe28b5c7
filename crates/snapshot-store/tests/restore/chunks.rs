//! Sets of chunks restore to the same database as the snapshot in one file.

use std::fs;
use std::path::{Path, PathBuf};

use snapshot_format::{ChunkError, ChunkPosition, Epoch, SealedHeader};
use snapshot_store::Progress;
use snapshot_store::restore::{RestoreError, RestoreOptions, VerifiedSnapshot, restore};

use crate::model::{self, Numbers, Row};
use crate::support::{all_rows, restored, snapshot_file, snapshot_of};

/// Sorted rows cut into chunks, one file each.
fn write_chunks(dir: &Path, rows: &[Row], count: usize) -> Vec<PathBuf> {
    let mut sorted = rows.to_vec();
    sorted.sort_by_key(|(key, record)| (record.table(), *key));
    let each = sorted.len().div_ceil(count);
    let chunks = sorted.chunks(each).enumerate().map(|(index, rows)| {
        let header = SealedHeader {
            chunk: ChunkPosition {
                index: u32::try_from(index).unwrap(),
                count: u32::try_from(count).unwrap(),
            },
            ..SealedHeader::offline(Epoch(5))
        };
        let path = dir.join(format!("chunk-{index}.bin"));
        fs::write(&path, snapshot_of(&header, rows)).unwrap();
        path
    });
    chunks.collect()
}

#[test]
fn chunks_in_any_order_are_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let rows = model::objects(&mut Numbers(1), 100);
    let whole = snapshot_file(dir.path(), 5, &rows);
    let options = RestoreOptions::default();
    let expected = restored(&whole, &dir.path().join("whole"), &options).unwrap();
    let expected_rows = all_rows(&dir.path().join("whole"));

    let mut chunks = write_chunks(dir.path(), &rows, 5);
    chunks.rotate_left(2);
    chunks.swap(0, 1);
    let target = dir.path().join("db");
    let expect = RestoreOptions {
        expect_digest: Some(expected.snapshot.digest),
        ..options
    };
    let report = restore(&chunks, &target, &expect, &Progress::new()).unwrap();
    assert_eq!(report.snapshot, expected.snapshot);
    assert_eq!(all_rows(&target), expected_rows);
}

#[test]
fn sets_that_are_not_whole_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let rows = model::objects(&mut Numbers(2), 90);
    let chunks = write_chunks(dir.path(), &rows, 3);
    let read = |files: &[PathBuf]| VerifiedSnapshot::read(files, &Progress::new());
    let error = read(&chunks[..1]).unwrap_err();
    assert!(matches!(error, RestoreError::NotWhole { .. }), "{error}");
    let chunk_error = |files: &[&PathBuf]| {
        let files: Vec<PathBuf> = files.iter().map(|path| (*path).clone()).collect();
        match read(&files) {
            Err(RestoreError::Chunk { source, .. }) => source,
            other => panic!("{other:?}"),
        }
    };
    let [zero, one, two] = [&chunks[0], &chunks[1], &chunks[2]];
    assert_eq!(
        chunk_error(&[zero, one]),
        ChunkError::Missing {
            expected: 3,
            got: 2
        }
    );
    assert_eq!(
        chunk_error(&[zero, two]),
        ChunkError::Index {
            expected: 1,
            got: 2
        }
    );
    assert_eq!(
        chunk_error(&[zero, one, one, two]),
        ChunkError::Index {
            expected: 2,
            got: 1
        }
    );
    assert!(matches!(read(&[]), Err(RestoreError::NoSnapshot)));
}
