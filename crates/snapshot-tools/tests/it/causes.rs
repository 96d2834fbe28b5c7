//! Each cause that `diff` names, planted in rows as a node has them; and that nothing else is named.

use snapshot_format::{
    Epoch, EventCursor, EventId, Header, ObjectId, SealedHeader, Table, TransactionDigest,
};
use snapshot_tools::diff::{Cause, Reading};
use snapshot_tools::header::Origin;
use snapshot_tools::side::{Side, Sides};

use crate::support::{
    EPOCH, Numbers, Tables, differences, differences_of, object, pool, pooled, sealed_header,
};

/// What the differences of two nodes are read as, the same in both framings.
fn reading(a: &Tables, b: &Tables) -> Reading {
    let (_, summary) = differences(&a.sealed(), &b.sealed());
    let reading = summary.reading();
    let explained: u64 = reading.causes.iter().map(Cause::rows).sum();
    assert_eq!(
        explained + reading.unexplained,
        summary.differences(),
        "no row is explained twice: {reading:?}"
    );
    for cause in &reading.causes {
        assert!(cause.to_string().len() > 40, "{cause}");
    }
    reading
}

/// The only cause of all differences.
fn the_cause(a: &Tables, b: &Tables) -> Cause {
    let reading = reading(a, b);
    assert_eq!(reading.unexplained, 0, "{reading:?}");
    match reading.causes.as_slice() {
        [cause] => cause.clone(),
        causes => panic!("one cause: {causes:?}"),
    }
}

#[test]
fn garbage_collection_did_not_run() {
    let mut numbers = Numbers(41);
    let a = Tables::at_boundary(41, 2000);
    let mut b = a.clone();
    let mut rows = 0;
    for number in 0..40 {
        let id = ObjectId::new(numbers.bytes());
        let mut row = object(&mut numbers);
        match number % 3 {
            0 => row.end_epoch = EPOCH,
            1 => row.end_epoch = Epoch(EPOCH.0 - 1),
            _ => row.deleted = true,
        }
        b.objects.insert(id, row);
        rows += 1;
    }
    // A pool that has ended, with what is in it.
    let ended = ObjectId::new(numbers.bytes());
    let mut of_pool = pool(&mut numbers);
    of_pool.end_epoch = EPOCH;
    b.pools.insert(ended, of_pool);
    // And rows of a pool that went before.
    let gone = ObjectId::new(numbers.bytes());
    for pool in [ended, ended, gone] {
        b.pooled
            .insert(ObjectId::new(numbers.bytes()), pooled(&mut numbers, pool));
    }
    rows += 4;
    let expected = |side| Cause::GarbageNotCollected {
        side,
        epoch: Some(EPOCH),
        rows,
    };
    assert_eq!(the_cause(&a, &b), expected(Side::B));
    assert_eq!(the_cause(&b, &a), expected(Side::A));
}

#[test]
fn taken_after_the_boundary() {
    let mut numbers = Numbers(42);
    let a = Tables::at_boundary(42, 2000);
    let mut b = a.clone();
    let keys = a.keys();
    // Of the epoch that begins: registered, certified; and extended and deleted, which shows no epoch.
    for _ in 0..10 {
        let mut row = object(&mut numbers);
        row.registered_epoch = EPOCH;
        row.certified_epoch = None;
        b.objects.insert(ObjectId::new(numbers.bytes()), row);
    }
    let uncertified = |key: &&ObjectId| a.objects[*key].certified_epoch.is_none();
    for key in keys.iter().filter(uncertified).take(5) {
        let row = b.object(key);
        row.certified_epoch = Some(EPOCH);
        row.event = numbers.event();
    }
    for key in keys.iter().skip(100).step_by(100).take(3) {
        let row = b.object(key);
        row.end_epoch.0 += 5;
        row.event = numbers.event();
    }
    for key in keys.iter().skip(150).step_by(100).take(4) {
        b.objects.remove(key);
    }
    let expected = |side| Cause::TakenAfterBoundary {
        side,
        epoch: Some(EPOCH),
        evidence: 15,
        rows: 22,
    };
    assert_eq!(the_cause(&a, &b), expected(Side::B));
    assert_eq!(the_cause(&b, &a), expected(Side::A));
}

#[test]
fn events_in_another_order() {
    let mut numbers = Numbers(43);
    let a = Tables::at_boundary(43, 2000);
    let mut b = a.clone();
    for key in a.keys().iter().step_by(200) {
        b.object(key).event = numbers.event();
    }
    for row in b.pooled.values_mut().take(2) {
        row.event = numbers.event();
    }
    let rows = 8 + 2;
    assert_eq!(the_cause(&a, &b), Cause::OtherEventOrder { rows });
    assert_eq!(the_cause(&b, &a), Cause::OtherEventOrder { rows });
}

#[test]
fn a_range_of_rows_is_lost() {
    let a = Tables::at_boundary(44, 2000);
    for length in [4, 30, 700] {
        let mut b = a.clone();
        let keys = a.keys();
        let lost = &keys[300..300 + length];
        for key in lost {
            b.objects.remove(key);
        }
        let Cause::RangeMissing { side, table, run } = the_cause(&a, &b) else {
            panic!("a range: {:?}", reading(&a, &b));
        };
        assert_eq!((side, table), (Side::B, Table::PerObjectBlobInfo));
        assert_eq!(run.rows, length as u64);
        assert_eq!(
            (Some(&run.first), Some(&run.last)),
            (lost.first(), lost.last())
        );
    }
    // At the very end of a table, where no row ends the run.
    let mut b = a.clone();
    let lost = b
        .pooled
        .split_off(&a.pooled.keys().nth(480).copied().expect("a row"));
    let cause = the_cause(&b, &a);
    assert!(
        matches!(cause, Cause::RangeMissing { side: Side::A, table: Table::PerObjectPooledBlobInfo, run }
            if run.rows == lost.len() as u64),
        "{cause:?}"
    );
}

#[test]
fn a_table_is_lost() {
    let a = Tables::at_boundary(45, 800);
    let mut b = a.clone();
    b.pooled.clear();
    let rows = a.pooled.len() as u64;
    let table = Table::PerObjectPooledBlobInfo;
    let side = Side::B;
    assert_eq!(the_cause(&a, &b), Cause::TableEmpty { side, table, rows });
    let mut b = a.clone();
    b.objects.clear();
    let rows = a.objects.len() as u64;
    let table = Table::PerObjectBlobInfo;
    assert_eq!(the_cause(&a, &b), Cause::TableEmpty { side, table, rows });
}

#[test]
fn pools_are_missing() {
    let a = Tables::at_boundary(46, 2000);
    let mut b = a.clone();
    let lost: Vec<ObjectId> = a.pools.keys().copied().step_by(40).collect();
    b.pools.retain(|id, _| !lost.contains(id));
    let pools = lost.len() as u64;
    let alone = Cause::PoolsMissing {
        side: Side::B,
        pools,
        rows: pools,
    };
    assert_eq!(the_cause(&a, &b), alone);
    b.pooled
        .retain(|_, row| !lost.contains(&row.storage_pool_id));
    let in_them = (a.pooled.len() - b.pooled.len()) as u64;
    assert!(in_them > 0);
    let with_rows = Cause::PoolsMissing {
        side: Side::B,
        pools,
        rows: pools + in_them,
    };
    assert_eq!(the_cause(&a, &b), with_rows);
}

#[test]
fn a_side_lacks_events() {
    let mut numbers = Numbers(47);
    let a = Tables::at_boundary(47, 2000);
    let mut b = a.clone();
    let keys = a.keys();
    // Registered, certified, extended and deleted on A, and not on B.
    for key in keys.iter().step_by(150) {
        b.objects.remove(key);
    }
    let certified = |key: &&ObjectId| a.objects[*key].certified_epoch.is_some();
    for key in keys.iter().skip(1).step_by(150).filter(certified) {
        let row = b.object(key);
        row.certified_epoch = None;
        row.event = numbers.event();
    }
    for key in keys.iter().skip(2).step_by(150) {
        let row = b.object(key);
        row.end_epoch.0 -= 1;
        row.event = numbers.event();
        if row.end_epoch <= EPOCH {
            row.end_epoch = a.objects[key].end_epoch;
            row.event = a.objects[key].event;
        }
    }
    for _ in 0..3 {
        b.objects
            .insert(ObjectId::new(numbers.bytes()), object(&mut numbers));
    }
    let cause = the_cause(&a, &b);
    assert!(
        matches!(cause, Cause::EventsMissing { side: Side::B, evidence, rows } if evidence > 10 && rows > evidence + 10),
        "{cause:?}"
    );
    let mirrored = the_cause(&b, &a);
    assert!(
        matches!(mirrored, Cause::EventsMissing { side: Side::A, .. }),
        "{mirrored:?}"
    );
}

#[test]
fn one_bit_is_flipped() {
    let a = Tables::at_boundary(48, 1000);
    let keys = a.keys();
    let key = keys[444];
    let damage = |change: &dyn Fn(&mut Tables)| {
        let mut b = a.clone();
        change(&mut b);
        the_cause(&a, &b)
    };
    let one_bit = Cause::Damaged {
        rows: 1,
        one_bit: 1,
        table: Table::PerObjectBlobInfo,
        key,
    };
    assert_eq!(damage(&|b| b.object(&key).registered_epoch.0 ^= 4), one_bit);
    assert_eq!(damage(&|b| b.object(&key).deletable ^= true), one_bit);
    // An extension would have left its event.
    assert_eq!(damage(&|b| b.object(&key).end_epoch.0 ^= 1 << 20), one_bit);
    // Another event would have an unlike digest; the next of the same transaction is another event.
    let event = |b: &mut Tables, change: &dyn Fn(&mut EventId)| change(&mut b.object(&key).event);
    let digest = |event: &mut EventId| {
        let mut bytes = *event.tx_digest.as_bytes();
        bytes[9] ^= 2;
        event.tx_digest = TransactionDigest::new(bytes);
    };
    assert_eq!(damage(&|b| event(b, &digest)), one_bit);
    let next = |event: &mut EventId| event.event_seq ^= 1;
    assert_eq!(
        damage(&|b| event(b, &next)),
        Cause::OtherEventOrder { rows: 1 }
    );
    let several = damage(&|b| b.object(&key).blob_id = snapshot_format::BlobId::ZERO);
    assert!(
        matches!(
            several,
            Cause::Damaged {
                rows: 1,
                one_bit: 0,
                ..
            }
        ),
        "{several:?}"
    );
}

#[test]
fn another_network_has_nothing_in_common() {
    let (a, b) = (Tables::at_boundary(53, 400), Tables::at_boundary(54, 300));
    let rows = 400 + 20 + 300 + 15;
    assert_eq!(the_cause(&a, &b), Cause::NothingInCommon { rows });
    // One row in common, and it is not that.
    let mut c = b.clone();
    c.objects
        .extend(a.objects.first_key_value().map(|(key, row)| (*key, *row)));
    let causes = reading(&a, &c).causes;
    let nothing = |cause: &Cause| matches!(cause, Cause::NothingInCommon { .. });
    assert!(!causes.iter().any(nothing), "{causes:?}");
}

#[test]
fn other_epochs_come_first() {
    let mut b = Tables::at_boundary(49, 300);
    let a = b.clone();
    b.objects.pop_first();
    let next = Header::Sealed(SealedHeader::offline(Epoch(26)));
    let (_, summary) = differences(&a.sealed(), &b.snapshot(&next));
    let expected = Reading {
        causes: vec![Cause::DifferentEpochs { rows: 1 }],
        unexplained: 0,
    };
    assert_eq!(summary.reading(), expected);
    assert_eq!(summary.header[0].field, "epoch");
}

#[test]
fn only_the_cursor_differs() {
    let tables = Tables::at_boundary(50, 300);
    let cursor = |element_index| {
        Header::Sealed(SealedHeader {
            event_cursor: EventCursor {
                event_id: None,
                element_index,
            },
            ..SealedHeader::offline(EPOCH)
        })
    };
    let (found, summary) = differences(&tables.snapshot(&cursor(7)), &tables.snapshot(&cursor(8)));
    assert_eq!(found, []);
    assert!(!summary.is_same());
    let fields = vec!["next event index"];
    assert_eq!(summary.reading().causes, [Cause::HeaderOnly { fields }]);

    // A cursor that one side does not know is a difference of two files, and none of a checkpoint.
    let (known, unknown) = (
        tables.snapshot(&cursor(7)),
        tables.snapshot(&sealed_header()),
    );
    assert!(!differences(&known, &unknown).1.is_same());
    let origins = Sides {
        a: Origin::Found,
        b: Origin::Assumed,
    };
    assert!(differences_of(&known, &unknown, origins).1.is_same());

    let mut other = tables.clone();
    let key = tables.keys()[0];
    other.object(&key).deletable ^= true;
    let (_, summary) = differences(&tables.snapshot(&cursor(7)), &other.snapshot(&cursor(8)));
    let causes = summary.reading().causes;
    assert_eq!(causes.first(), Some(&Cause::DifferentCursors));
    assert_eq!(causes.len(), 2, "{causes:?}");
}

#[test]
fn what_fits_nothing_is_said_to_be_unexplained() {
    let a = Tables::at_boundary(51, 2000);
    let mut b = a.clone();
    for key in a.keys().iter().step_by(100) {
        b.objects.remove(key);
    }
    let reading = reading(&a, &b);
    assert_eq!(reading.causes, []);
    assert_eq!(reading.unexplained, 15);
}

#[test]
fn several_causes_are_told_apart() {
    let mut numbers = Numbers(52);
    let a = Tables::at_boundary(52, 2000);
    let mut b = a.clone();
    let keys = a.keys();
    for key in &keys[100..120] {
        b.objects.remove(key);
    }
    b.object(&keys[500]).registered_epoch.0 ^= 1;
    b.object(&keys[600]).event = numbers.event();
    let mut ended = object(&mut numbers);
    ended.end_epoch = EPOCH;
    let mut a = a;
    a.objects.insert(ObjectId::new(numbers.bytes()), ended);
    let reading = reading(&a, &b);
    assert_eq!(reading.unexplained, 0, "{reading:?}");
    let rows: Vec<u64> = reading.causes.iter().map(Cause::rows).collect();
    assert_eq!(rows, [1, 1, 20, 1], "{reading:?}");
    assert!(
        matches!(
            reading.causes.as_slice(),
            [
                Cause::GarbageNotCollected { side: Side::A, .. },
                Cause::OtherEventOrder { .. },
                Cause::RangeMissing { side: Side::B, .. },
                Cause::Damaged { .. }
            ]
        ),
        "{reading:?}"
    );
}
