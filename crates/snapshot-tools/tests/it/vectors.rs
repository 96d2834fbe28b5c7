//! The vectors of `docs/fingerprint.md`, which were computed by other software from the text.

use snapshot_format::{Epoch, Header, ObjectId, SealedHeader, StoragePoolInfoV1, Table};
use snapshot_tools::fingerprint::{Fingerprint, Focus, Part};

use crate::support::{Tables, document, fingerprint, named};

const DOCS: &str = include_str!("../../../../docs/fingerprint.md");

/// The snapshot that the vectors are of.
fn snapshot() -> Vec<u8> {
    let mut tables = Tables::default();
    let mut last = [0xab; 32];
    last[31] = 0xac;
    for (key, start, end) in [([0xab; 32], 1, 9), (last, 2, 8)] {
        let pool = StoragePoolInfoV1 {
            start_epoch: Epoch(start),
            end_epoch: Epoch(end),
        };
        tables.pools.insert(ObjectId::new(key), pool);
    }
    tables.snapshot(&Header::Sealed(SealedHeader::offline(Epoch(7))))
}

/// The digest that the row of the table of vectors for `what` begins with.
fn vector(what: &str) -> &'static str {
    let row = DOCS
        .lines()
        .find(|line| line.starts_with("| `") && line.ends_with(&format!("` | {what} |")))
        .unwrap_or_else(|| panic!("a vector of {what}"));
    row.split('`').nth(1).expect("a digest")
}

#[test]
fn the_digests_are_those_of_the_document() {
    let snapshot = snapshot();
    let print = fingerprint(&snapshot, Focus::All);
    for table in Table::ALL {
        let expected = vector(&format!("`{table}`, prefix empty"));
        assert_eq!(print.tables[table].digest.to_string(), expected);
    }
    assert_eq!(print.content.to_string(), vector("the content"));
    let pools = Table::StoragePoolInfo;
    let ab = Focus::Range(pools, "ab".parse().expect("a prefix"));
    let print = fingerprint(&snapshot, ab);
    let range = print.tables[pools].range.as_ref().expect("a close look");
    assert_eq!(
        range.digest.to_string(),
        vector("`storage_pool_info`, prefix `ab`")
    );
    let Part::Keys(keys) = &range.part else {
        panic!("two rows: {range:?}");
    };
    let digests: Vec<String> = keys.iter().map(|row| format!("{:?}", row.digest)).collect();
    assert_eq!(
        digests,
        [
            vector("the first row, its first 8 bytes"),
            vector("the second row, its first 8 bytes")
        ]
    );
}

#[test]
fn the_document_is_that_of_the_document() {
    let (_, rest) = DOCS.split_once("```json\n").expect("a document");
    let (expected, _) = rest.split_once("\n```").expect("the end of it");
    let print = named(&snapshot(), Focus::All, "pools.bin");
    let text = String::from_utf8(document(&print)).expect("JSON is UTF-8");
    assert_eq!(text, expected);
    let read = Fingerprint::parse(expected.as_bytes()).expect("a fingerprint");
    assert_eq!(read, print);
}
