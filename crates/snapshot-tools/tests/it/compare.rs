//! Who agrees with whom, and how fingerprints lead to the row that differs.

use snapshot_format::{Epoch, EventCursor, Header, ObjectId, SealedHeader, Table};
use snapshot_tools::compare::{Located, TableDifference, compare};
use snapshot_tools::fields::FieldValue;
use snapshot_tools::fingerprint::{Fingerprint, Focus, InputKind, MOST_KEYS, Prefix};
use snapshot_tools::side::Sides;

use crate::support::{EPOCH, Numbers, Tables, fingerprint, named, object};

const OBJECTS: Table = Table::PerObjectBlobInfo;

/// The one table in which the second group differs.
fn the_difference(prints: &[Fingerprint]) -> TableDifference {
    let comparison = compare(prints);
    assert!(!comparison.agree());
    let [epoch] = comparison.epochs.as_slice() else {
        panic!("one epoch: {comparison:?}");
    };
    let [first, second] = epoch.groups.as_slice() else {
        panic!("two groups: {epoch:?}");
    };
    assert_eq!(first.tables, []);
    let [table] = second.tables.as_slice() else {
        panic!("one table: {second:?}");
    };
    table.clone()
}

/// Exchanges fingerprints until they tell no more, and returns what the last ones say.
pub(crate) fn exchange(one: &[u8], other: &[u8]) -> (TableDifference, usize) {
    let mut focus = Focus::All;
    for round in 1.. {
        let prints = [one, other].map(|snapshot| fingerprint(snapshot, focus));
        let difference = the_difference(&prints);
        match difference.next() {
            Some(next) => focus = next,
            None => return (difference, round),
        }
    }
    unreachable!("the loop ends by returning")
}

#[test]
fn one_of_three_is_found_out_whatever_the_framing() {
    let tables = Tables::at_boundary(21, 2000);
    let mut other = tables.clone();
    let key = tables.keys()[700];
    other.object(&key).deletable ^= true;
    let prints = [
        named(&other.sealed(), Focus::All, "odd"),
        named(&tables.sealed(), Focus::All, "a"),
        named(&tables.counted(), Focus::All, "b"),
    ];
    let comparison = compare(&prints);
    let [epoch] = comparison.epochs.as_slice() else {
        panic!("one epoch: {comparison:?}");
    };
    assert_eq!(epoch.epoch, Some(EPOCH));
    assert!(epoch.has_majority);
    let members: Vec<&[usize]> = epoch
        .groups
        .iter()
        .map(|group| &group.members[..])
        .collect();
    assert_eq!(members, [&[1, 2][..], &[0]]);
    let [table] = epoch.groups[1].tables.as_slice() else {
        panic!("one table: {epoch:?}");
    };
    assert_eq!(table.table, OBJECTS);
    assert_eq!(table.rows, Sides { a: 1500, b: 1500 });
    let first = Prefix::new(&key.as_bytes()[..1]).expect("a prefix");
    assert_eq!(table.next(), Some(Focus::Range(OBJECTS, first)));

    assert!(compare(&prints[1..]).agree());
    // Of two that differ, none is right.
    let comparison = compare(&prints[..2]);
    assert!(!comparison.epochs[0].has_majority);
    assert_eq!(comparison.epochs[0].groups[0].members, [0]);
}

#[test]
fn an_exchange_names_the_field() {
    let tables = Tables::at_boundary(22, 30_000);
    let mut other = tables.clone();
    let key = tables.keys()[12_345];
    other.object(&key).registered_epoch.0 ^= 1;
    let (found, rounds) = exchange(&tables.sealed(), &other.counted());
    let Located::Row { key: at, fields } = &found.located else {
        panic!("a row: {found:?}");
    };
    assert_eq!((*at, found.table), (key, OBJECTS));
    let [field] = fields.as_slice() else {
        panic!("one field: {fields:?}");
    };
    assert_eq!(field.field, "registered_epoch");
    assert_ne!(field.values.a, field.values.b);
    assert_eq!(rounds, 4, "all, one byte, two bytes, the row");
}

#[test]
fn an_exchange_names_a_row_that_is_missing() {
    let tables = Tables::at_boundary(23, 3000);
    for table in Table::ALL {
        let mut other = tables.clone();
        let key = match table {
            Table::PerObjectBlobInfo => other.objects.pop_last().map(|(key, _)| key),
            Table::PerObjectPooledBlobInfo => other.pooled.pop_last().map(|(key, _)| key),
            Table::StoragePoolInfo => other.pools.pop_last().map(|(key, _)| key),
        }
        .expect("a row");
        let mut focus = Focus::All;
        let only = loop {
            let prints = [&other, &tables].map(|it| fingerprint(&it.sealed(), focus));
            let difference = the_difference(&prints);
            assert_eq!(difference.table, table);
            if let Located::Keys { only, differ } = &difference.located {
                assert_eq!(differ, &[]);
                break only.clone();
            }
            focus = difference.next().expect("more to look at");
        };
        assert_eq!(only.a, []);
        assert_eq!(only.b, [key]);
    }
}

#[test]
fn the_same_row_looked_at_on_one_side_alone_is_said_to_be_there_alone() {
    let tables = Tables::at_boundary(24, 300);
    let mut other = tables.clone();
    let (key, _) = other.pools.pop_first().expect("a pool");
    let focus = Focus::Range(Table::StoragePoolInfo, key.into());
    let prints = [&tables, &other].map(|it| fingerprint(&it.sealed(), focus));
    let located = the_difference(&prints).located;
    let only = Sides {
        a: vec![key],
        b: Vec::new(),
    };
    assert_eq!(
        located,
        Located::Keys {
            only,
            differ: Vec::new()
        }
    );
}

#[test]
fn keys_against_ranges_still_lead_on() {
    // One side has just as many rows as are shown key by key, the other one more.
    let mut numbers = Numbers(25);
    let mut tables = Tables::default();
    for _ in 0..MOST_KEYS {
        let row = object(&mut numbers);
        tables.objects.insert(ObjectId::new(numbers.bytes()), row);
    }
    let mut other = tables.clone();
    let key = ObjectId::new(numbers.bytes());
    other.objects.insert(key, object(&mut numbers));
    for (one, another) in [(&tables, &other), (&other, &tables)] {
        let prints = [one, another].map(|it| fingerprint(&it.sealed(), Focus::All));
        let found = the_difference(&prints);
        let Located::Ranges { differing, .. } = &found.located else {
            panic!("ranges: {found:?}");
        };
        let prefixes: Vec<&[u8]> = differing
            .iter()
            .map(|range| range.prefix.as_bytes())
            .collect();
        assert_eq!(prefixes, [&key.as_bytes()[..1]]);
    }
}

#[test]
fn fingerprints_that_look_elsewhere_say_so() {
    let tables = Tables::at_boundary(26, 3000);
    let mut other = tables.clone();
    let key = tables.keys()[0];
    other.object(&key).deleted = true;
    let far = Focus::Range(OBJECTS, "ff".parse().expect("a prefix"));
    let [a, b] = [&tables, &other].map(|it| fingerprint(&it.sealed(), far));
    let c = fingerprint(&other.sealed(), Focus::All);
    let found = the_difference(&[a.clone(), b.clone()]);
    assert!(
        matches!(found.located, Located::Elsewhere { .. }),
        "{found:?}"
    );
    assert_eq!(found.next(), Some(Focus::Range(OBJECTS, Prefix::EMPTY)));
    let found = the_difference(&[a.clone(), c.clone()]);
    assert_eq!(found.located, Located::Unknown);
    assert_eq!(found.next(), Some(Focus::Range(OBJECTS, Prefix::EMPTY)));
    // The one that tells most speaks for its group.
    let d = fingerprint(&tables.sealed(), Focus::All);
    let found = the_difference(&[a, b, c, d]);
    assert!(matches!(found.located, Located::Ranges { .. }), "{found:?}");
    assert_eq!(found.inputs, Sides { a: 3, b: 2 });
}

#[test]
fn parts_that_agree_do_not_hide_that_a_range_differs() {
    let tables = Tables::at_boundary(29, 3000);
    let mut other = tables.clone();
    let key = tables.keys()[9];
    other.object(&key).deleted = true;
    let [a, mut b] = [&tables, &other].map(|it| fingerprint(&it.sealed(), Focus::All));
    let part = a.tables[OBJECTS]
        .range
        .as_ref()
        .map(|range| range.part.clone());
    let range = b.tables[OBJECTS].range.as_mut().expect("a close look");
    range.part = part.expect("a close look");
    let found = the_difference(&[a, b]);
    assert!(
        matches!(&found.located, Located::Ranges { differing, .. } if differing.is_empty()),
        "{found:?}"
    );
    assert_eq!(found.next(), None);
}

#[test]
fn other_epochs_are_apart_and_an_unknown_one_goes_with_the_rest() {
    let tables = Tables::at_boundary(27, 300);
    let at = |epoch| {
        let header = Header::Sealed(SealedHeader::offline(epoch));
        fingerprint(&tables.snapshot(&header), Focus::All)
    };
    let comparison = compare(&[at(Epoch(24)), at(EPOCH), at(EPOCH)]);
    assert!(!comparison.agree());
    let epochs: Vec<(Option<Epoch>, &[usize])> = comparison
        .epochs
        .iter()
        .map(|of| (of.epoch, &of.groups[0].members[..]))
        .collect();
    assert_eq!(
        epochs,
        [(Some(EPOCH), &[1, 2][..]), (Some(Epoch(24)), &[0])]
    );

    let mut unknown = at(Epoch(0));
    unknown.kind = InputKind::Database;
    assert!(compare(&[at(EPOCH), unknown.clone()]).agree());
    unknown.kind = InputKind::File;
    assert!(!compare(&[at(EPOCH), unknown]).agree());
}

#[test]
fn headers_that_contradict_each_other_are_no_agreement() {
    let tables = Tables::at_boundary(28, 300);
    let with_index = |element_index| {
        let header = SealedHeader {
            event_cursor: EventCursor {
                event_id: Some(Numbers(99).event()),
                element_index,
            },
            ..SealedHeader::offline(EPOCH)
        };
        fingerprint(&tables.snapshot(&Header::Sealed(header)), Focus::All)
    };
    let counted = fingerprint(&tables.counted(), Focus::All);
    // The counted one says 12004 as well.
    assert!(compare(&[counted.clone(), with_index(12_004)]).agree());
    let comparison = compare(&[counted, with_index(12_005)]);
    assert!(!comparison.agree());
    let [outlier] = comparison.epochs[0].headers.as_slice() else {
        panic!("one outlier: {comparison:?}");
    };
    assert_eq!((outlier.input, outlier.fields.len()), (1, 1));
    assert_eq!(outlier.fields[0].field, "next event index");

    // What a checkpoint does not know contradicts nothing; a file without it is another file.
    let mut offline = fingerprint(&tables.sealed(), Focus::All);
    assert!(!compare(&[with_index(1), offline.clone()]).agree());
    offline.kind = InputKind::Database;
    assert!(compare(&[with_index(1), offline]).agree());
}

#[test]
fn values_of_fields_are_shown_as_elsewhere() {
    let none = FieldValue::Epoch(None).to_string();
    assert_eq!(none, "none");
    assert_eq!(FieldValue::Epoch(Some(Epoch(7))).to_string(), "7");
    assert_eq!(FieldValue::Flag(true).to_string(), "true");
}
