//! The baseline does the same work as the code it is compared with.

use std::fs;
use std::path::Path;

use snapshot_bench::baseline;
use snapshot_bench::database::{self, Layout, Made};
use snapshot_format::{Epoch, Header, SealedHeader, Table};
use snapshot_store::publish::Replace;
use snapshot_store::{
    CreateOptions, Database, OpenOptions, Progress, SnapshotSummary, create_file, verify_file,
};

const ROWS: u64 = 12_345;

fn header() -> SealedHeader {
    SealedHeader::offline(Epoch(31))
}

fn ours(db: &Path, path: &Path) -> SnapshotSummary {
    let database = Database::open(db, &OpenOptions::default()).expect("the database is whole");
    let header = Header::Sealed(header());
    let options = CreateOptions::default();
    create_file(
        &database,
        &header,
        path,
        Replace::Refuse,
        &options,
        &Progress::new(),
    )
    .expect("the rows are sound")
}

#[test]
fn the_baseline_writes_reads_and_loads_the_same_rows() {
    for layout in [Layout::Compacted, Layout::Unmerged] {
        let dir = tempfile::tempdir().expect("a directory");
        let Made { path: db, counts } =
            database::make(&dir.path().join("db"), ROWS, layout).expect("made");
        let (our_path, their_path) = (dir.path().join("ours.bin"), dir.path().join("theirs.bin"));

        let summary = ours(&db, &our_path);
        assert_eq!(summary.counts, counts, "{layout:?}");
        let opened = baseline::open(&db).expect("opens");
        let written = baseline::create(&opened, &header(), &their_path).expect("written");
        let bytes = fs::read(&our_path).expect("a file");
        assert!(
            bytes == fs::read(&their_path).expect("a file"),
            "{layout:?}: the bytes differ"
        );
        assert_eq!(
            (written.digest, written.rows),
            (summary.digest.0, counts.total())
        );

        assert_eq!(baseline::read(&our_path).expect("a snapshot"), written);
        assert_eq!(
            verify_file(&their_path, &Progress::new()).expect("a snapshot"),
            summary
        );

        let loaded = dir.path().join("loaded");
        assert_eq!(baseline::load(&our_path, &loaded).expect("loaded"), written);
        let again = ours(&loaded, &dir.path().join("again.bin"));
        assert_eq!(again, summary, "{layout:?}");
    }
}

#[test]
fn the_layouts_differ_in_what_a_reader_meets() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = |layout| {
        let made = database::make(&dir.path().join(format!("{layout:?}")), ROWS, layout);
        let db = baseline::open(&made.expect("made").path).expect("opens");
        let family = db
            .cf_handle(Table::PerObjectBlobInfo.name())
            .expect("opened");
        [0, 6].map(|level| {
            let name = format!("rocksdb.num-files-at-level{level}");
            db.property_int_value_cf(family, &name)
                .expect("a property")
                .expect("a number")
        })
    };
    assert_eq!(files(Layout::Compacted), [0, 1]);
    assert_eq!(files(Layout::Unmerged), [4, 1]);
}

#[test]
fn a_damaged_snapshot_is_refused_by_the_baseline_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = database::make(&dir.path().join("db"), 100, Layout::Compacted).expect("made");
    let path = dir.path().join("ours.bin");
    ours(&made.path, &path);
    let mut bytes = fs::read(&path).expect("a file");
    if let Some(byte) = bytes.get_mut(500) {
        *byte ^= 1;
    }
    fs::write(&path, bytes).expect("written");
    let error = baseline::read(&path)
        .expect_err("a flipped bit")
        .to_string();
    assert_eq!(error, "the checksum does not match");
}
