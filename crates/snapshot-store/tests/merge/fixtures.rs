//! A real node's database, read with these operators: every merged row against what that node's own
//! operators made of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use snapshot_store::aggregate::BlobInfo;
use snapshot_store::cursor::EventCursor;
use snapshot_store::merge::MergeFailures;
use snapshot_store::schema::{ColumnFamily, EVENT_CURSOR_KEY, LATEST_HANDLED_EVENT_INDEX_KEY};

use crate::common::{Row, event, open_reader, open_writer, scan};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/node-b")
        .join(name)
}

/// The database of `archive`, unpacked into `into`.
fn unpack(archive: &str, into: &Path) -> PathBuf {
    let file =
        fs::File::open(fixture(&format!("{archive}.tar.zst"))).expect("the fixture is there");
    let tar = zstd::Decoder::new(file).expect("it is zstd");
    tar::Archive::new(tar)
        .unpack(into)
        .expect("it is a tar file");
    into.join(archive)
}

fn unhex(text: &str) -> Box<[u8]> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|digit| char::from(digit).to_digit(16).expect("a hex digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The rows of a `.hex` file: key and value in hex, with a space between.
fn expected(family: ColumnFamily) -> Vec<Row> {
    let text = fs::read_to_string(fixture(&format!("{family}.hex"))).expect("the fixture is there");
    text.lines()
        .map(|line| line.split_once(' ').expect("key and value"))
        .map(|(key, value)| (unhex(key), unhex(value)))
        .collect()
}

fn rows_match_the_node(archive: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let failures = MergeFailures::new();
    let db = open_reader(&unpack(archive, dir.path()), &failures);
    for family in [
        ColumnFamily::AggregateBlobInfo,
        ColumnFamily::EventCursor,
        ColumnFamily::LatestHandledEventIndex,
    ] {
        let rows: Vec<Row> = scan(&db, family)
            .into_iter()
            .collect::<Result<_, _>>()
            .expect("every row merges");
        assert_eq!(rows, expected(family), "{family}");
    }
    for (family, count) in [
        (ColumnFamily::PerObjectBlobInfo, 234),
        (ColumnFamily::PerObjectPooledBlobInfo, 66),
        (ColumnFamily::StoragePoolInfo, 18),
    ] {
        let rows = scan(&db, family);
        assert!(rows.iter().all(Result::is_ok), "{family}: {rows:?}");
        assert_eq!(rows.len(), count, "{family}");
    }
    assert_eq!(failures.take(), []);
}

#[test]
fn rows_of_a_checkpoint_are_those_of_the_node() {
    rows_match_the_node("checkpoint_epoch_11");
}

#[test]
fn rows_of_a_copy_with_unflushed_writes_are_those_of_the_node() {
    rows_match_the_node("db_boundary_unflushed");
}

#[test]
fn values_of_the_node_decode_and_encode_to_themselves() {
    let rows = expected(ColumnFamily::AggregateBlobInfo);
    assert_eq!(rows.len(), 284);
    for (_, value) in rows {
        let decoded = BlobInfo::decode(&value).expect("the value decodes");
        assert_eq!(*decoded.encode(), *value);
    }

    let [(key, value)] = &expected(ColumnFamily::EventCursor)[..] else {
        panic!("one cursor")
    };
    assert_eq!(**key, *EVENT_CURSOR_KEY);
    let cursor = EventCursor::decode(value).expect("the cursor decodes");
    assert_eq!(cursor.next_event_index(), 35_938);
    assert_ne!(cursor.event_id(), event(0));
    assert_eq!(*cursor.encode(), **value);

    let [(key, value)] = &expected(ColumnFamily::LatestHandledEventIndex)[..] else {
        panic!("one index")
    };
    assert_eq!(**key, *LATEST_HANDLED_EVENT_INDEX_KEY);
    assert_eq!(**value, 35_937_u64.to_le_bytes());
}

/// The options in a section of an OPTIONS file.
fn section<'a>(options: &'a str, title: &str) -> BTreeMap<&'a str, &'a str> {
    options
        .lines()
        .skip_while(|line| *line != title)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.trim().split_once('='))
        .collect()
}

fn options_file(db: &Path) -> String {
    let newest = fs::read_dir(db)
        .expect("the database is a directory")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"OPTIONS-"))
        })
        .max();
    fs::read_to_string(newest.expect("an OPTIONS file")).expect("it can be read")
}

/// Options of a node that leave no trace in what it writes.
const WITHOUT_TRACE: [&str; 4] = [
    // Those of blob files, which are off.
    "blob_garbage_collection_force_threshold",
    "blob_garbage_collection_age_cutoff",
    "blob_file_size",
    // Flushed memtables kept for the conflict checks of transactions.
    "max_write_buffer_size_to_maintain",
];

#[test]
fn writer_options_are_those_of_the_node() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = options_file(&unpack("checkpoint_epoch_11", dir.path()));
    let path = dir.path().join("ours");
    drop(open_writer(&path, &MergeFailures::new()));
    let ours = options_file(&path);
    for family in ColumnFamily::ALL {
        for kind in ["CFOptions", "TableOptions/BlockBasedTable"] {
            let title = format!("[{kind} \"{family}\"]");
            let (node, ours) = (section(&node, &title), section(&ours, &title));
            assert!(node.len() > 20, "{title}: {node:?}");
            // Another release of RocksDB has other options; those both have must agree.
            let differing: Vec<_> = node
                .iter()
                .filter(|(name, _)| !WITHOUT_TRACE.contains(*name))
                .filter(|(name, value)| ours.get(*name).is_some_and(|ours| ours != *value))
                .collect();
            assert_eq!(differing, [], "{title}");
        }
    }
}
