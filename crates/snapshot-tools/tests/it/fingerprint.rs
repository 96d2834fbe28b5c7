//! What a fingerprint depends on, and what not; how its digests are made.

use snapshot_format::{Epoch, Framing, ObjectId, Record, Table};
use snapshot_tools::fingerprint::{
    Focus, MOST_KEYS, Part, Prefix, RangePrint, content, range, row,
};

use crate::support::{EPOCH, Tables, counted_header, fingerprint, sealed_header};

/// The close look at a table.
fn close_up(snapshot: &[u8], table: Table, prefix: &str) -> RangePrint {
    let prefix = prefix.parse().expect("a prefix");
    let print = fingerprint(snapshot, Focus::Range(table, prefix));
    print.tables[table].range.clone().expect("a close look")
}

/// The rows of a table as they are hashed.
fn rows(tables: &Tables, table: Table) -> Vec<(ObjectId, Vec<u8>)> {
    let all = tables.rows(Framing::Sealed).into_iter();
    all.filter(|(_, record)| record.table() == table)
        .map(|(key, record)| (key, record.encode()))
        .collect()
}

#[test]
fn framing_and_header_do_not_show() {
    let tables = Tables::at_boundary(1, 3000);
    let (sealed, counted) = (tables.sealed(), tables.counted());
    let one = fingerprint(&sealed, Focus::All);
    let other = fingerprint(&counted, Focus::All);
    assert_eq!(one.content, other.content);
    assert_eq!(one.tables, other.tables);
    assert_ne!(one.digests, other.digests);
    assert_eq!(one.header, sealed_header());
    assert_eq!(other.header, counted_header());
}

#[test]
fn any_change_of_any_row_shows_in_its_table_and_range_only() {
    let tables = Tables::at_boundary(2, 3000);
    let before = fingerprint(&tables.sealed(), Focus::All);
    for key in tables.keys().into_iter().step_by(499) {
        let mut changed = tables.clone();
        changed.object(&key).deleted = true;
        let after = fingerprint(&changed.sealed(), Focus::All);
        assert_ne!(after.content, before.content);
        for table in [Table::PerObjectPooledBlobInfo, Table::StoragePoolInfo] {
            assert_eq!(after.tables[table], before.tables[table]);
        }
        let ranges = |print: &snapshot_tools::fingerprint::Fingerprint| {
            let range = print.tables[Table::PerObjectBlobInfo].range.clone();
            match range.expect("a close look").part {
                Part::Ranges(ranges) => ranges,
                other => panic!("not ranges: {other:?}"),
            }
        };
        let pairs = ranges(&before).into_iter().zip(ranges(&after));
        let differing: Vec<u8> = pairs
            .filter(|(one, other)| one != other)
            .map(|(one, _)| one.byte)
            .collect();
        assert_eq!(differing, [key.as_bytes()[0]]);
    }
}

#[test]
fn the_digests_of_a_walk_are_those_of_the_definition() {
    let tables = Tables::at_boundary(3, 3000);
    let print = fingerprint(&tables.counted(), Focus::All);
    for table in Table::ALL {
        let rows = rows(&tables, table);
        let pairs = |prefix: Prefix| {
            rows.iter()
                .filter(move |(key, _)| prefix.contains(key))
                .map(|(key, value)| (key, value.as_slice()))
        };
        let of_table = &print.tables[table];
        assert_eq!(of_table.rows, rows.len() as u64);
        assert_eq!(
            of_table.digest,
            range(table, &Prefix::EMPTY, pairs(Prefix::EMPTY))
        );
        let Some(RangePrint {
            part: Part::Ranges(parts),
            ..
        }) = &of_table.range
        else {
            panic!("{table} is large enough for ranges: {of_table:?}");
        };
        for part in parts {
            let prefix = Prefix::EMPTY.child(part.byte).expect("one byte");
            let whole = range(table, &prefix, pairs(prefix));
            assert_eq!(part.digest.0, whole.0[..4]);
            assert_eq!(part.rows, pairs(prefix).count() as u64);
        }
    }
    let all = snapshot_format::PerTable::from_fn(|table| {
        (print.tables[table].rows, print.tables[table].digest)
    });
    assert_eq!(print.content, content(&all));
}

#[test]
fn a_part_is_the_range_that_is_looked_at_next() {
    let tables = Tables::at_boundary(4, 40_000);
    let snapshot = tables.sealed();
    let table = Table::PerObjectBlobInfo;
    let top = close_up(&snapshot, table, "");
    let Part::Ranges(parts) = &top.part else {
        panic!("{} rows are shown as ranges", top.rows);
    };
    let ab = parts.iter().find(|part| part.byte == 0xab).expect("a part");
    let closer = close_up(&snapshot, table, "ab");
    assert_eq!(
        (closer.rows, &closer.digest.0[..4]),
        (ab.rows, &ab.digest.0[..])
    );
    assert!(closer.rows > MOST_KEYS as u64, "{}", closer.rows);
    let Part::Ranges(parts) = &closer.part else {
        panic!("{} rows are shown as ranges", closer.rows);
    };
    let next = parts.first().expect("a part");
    let closest = close_up(&snapshot, table, &format!("ab{:02x}", next.byte));
    assert_eq!(closest.digest.0[..4], next.digest.0);
    let Part::Keys(keys) = &closest.part else {
        panic!("{} rows are shown as keys", closest.rows);
    };
    for print in keys {
        let value = Record::encode(&Record::PerObjectBlobInfo(
            snapshot_format::PerObjectBlobInfo::V1(tables.objects[&print.key]),
        ));
        assert_eq!(print.digest, row(table, &print.key, &value));
        let whole = close_up(&snapshot, table, &print.key.to_string());
        assert_eq!(whole.part, Part::Row(value));
    }
}

#[test]
fn few_rows_are_shown_key_by_key_and_one_more_is_not() {
    let mut tables = Tables::at_boundary(5, 400);
    let extra: Vec<ObjectId> = tables.keys().split_off(MOST_KEYS);
    let (last, rest) = extra.split_first().expect("more");
    for key in rest {
        tables.objects.remove(key);
    }
    let is_keys = |tables: &Tables| {
        let range = close_up(&tables.sealed(), Table::PerObjectBlobInfo, "");
        matches!(range.part, Part::Keys(keys) if keys.len() as u64 == range.rows)
    };
    assert!(!is_keys(&tables));
    tables.objects.remove(last);
    assert!(is_keys(&tables));
}

#[test]
fn empty_ranges_and_tables_have_digests_too() {
    let empty = Tables::default();
    let print = fingerprint(&empty.sealed(), Focus::All);
    assert_eq!(print.rows(), 0);
    for table in Table::ALL {
        assert_eq!(print.tables[table].digest, range(table, &Prefix::EMPTY, []));
    }
    let tables = Tables::at_boundary(6, 100);
    let nothing = close_up(&tables.sealed(), Table::StoragePoolInfo, "0000000000");
    assert_eq!((nothing.rows, nothing.part), (0, Part::Keys(Vec::new())));
    let no_row = close_up(&tables.sealed(), Table::StoragePoolInfo, &"00".repeat(32));
    assert_eq!(no_row.part, Part::Keys(Vec::new()));
}

#[test]
fn the_same_bytes_in_another_place_have_another_digest() {
    let key = ObjectId::new([7; 32]);
    let value: &[u8] = &[1, 2, 3];
    let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
    let digests = [
        range(Table::PerObjectBlobInfo, &prefix(""), [(&key, value)]),
        range(Table::PerObjectBlobInfo, &prefix("07"), [(&key, value)]),
        range(Table::PerObjectBlobInfo, &prefix("0707"), [(&key, value)]),
        range(Table::StoragePoolInfo, &prefix(""), [(&key, value)]),
        range(Table::StoragePoolInfo, &prefix(""), []),
        // The boundary between two rows is hashed.
        range(
            Table::PerObjectBlobInfo,
            &prefix(""),
            [(&key, &value[..2]), (&key, &value[2..])],
        ),
    ];
    for (index, digest) in digests.iter().enumerate() {
        assert!(!digests[..index].contains(digest), "{index}");
    }
    let one = row(Table::PerObjectBlobInfo, &key, value);
    assert_ne!(one, row(Table::StoragePoolInfo, &key, value));
    assert_ne!(one.0, digests[0].0[..8]);
}

#[test]
fn prefixes_are_hex_of_at_most_a_key() {
    for text in ["", "ab", "0xAB", &"f0".repeat(32)] {
        let prefix: Prefix = text.parse().expect(text);
        let digits = text.trim_start_matches("0x").to_lowercase();
        assert_eq!(prefix.to_string(), digits);
    }
    for text in ["a", "0xabc", "xy", " ab", "ab ", &"00".repeat(33), "+1"] {
        let error = text.parse::<Prefix>().expect_err(text);
        assert_eq!(error.input, text);
    }
    assert_eq!(EPOCH, Epoch(25));
}
