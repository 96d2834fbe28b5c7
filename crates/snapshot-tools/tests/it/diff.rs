//! The walk over two snapshots: each difference once, in order, with its fields; both framings; sides
//! that break off.

use snapshot_format::{Entry, Framing, Header, ObjectId, SealedHeader, Table};
use snapshot_tools::diff::{Collector, DiffError, diff};
use snapshot_tools::header::Origin;
use snapshot_tools::rows::{Interrupted, Rows, channel};
use snapshot_tools::side::{Side, Sides};

use crate::support::{EPOCH, Numbers, Tables, differences, object};

#[test]
fn a_snapshot_does_not_differ_from_itself_in_any_framing() {
    let tables = Tables::at_boundary(31, 5000);
    let (sealed, counted) = (tables.sealed(), tables.counted());
    for (a, b) in [
        (&sealed, &sealed),
        (&sealed, &counted),
        (&counted, &sealed),
        (&counted, &counted),
    ] {
        let (found, summary) = differences(a, b);
        assert_eq!(found, []);
        assert!(summary.is_same(), "{summary:?}");
        assert_eq!(summary.tables[Table::PerObjectBlobInfo].rows.a, 3750);
        assert_eq!(summary.tables[Table::StoragePoolInfo].rows.b, 250);
    }
}

/// A row that differs, and the side that alone has it.
type Planted = (Table, ObjectId, Option<Side>);

/// Two nodes, of which each lacks rows and says different things of others, and which rows those are.
fn planted(seed: u64) -> (Tables, Tables, Vec<Planted>) {
    // Another stream than that of the tables, whose keys must not come again.
    let mut numbers = Numbers(!seed);
    let a = Tables::at_boundary(seed, 3000);
    let mut b = a.clone();
    let mut expected = Vec::new();
    for key in a.keys() {
        match numbers.below(40) {
            0 => {
                b.objects.remove(&key);
                expected.push((Table::PerObjectBlobInfo, key, Some(Side::A)));
            }
            1 => {
                b.object(&key).end_epoch.0 += 1;
                expected.push((Table::PerObjectBlobInfo, key, None));
            }
            2 => {
                let new = ObjectId::new(numbers.bytes());
                b.objects.insert(new, object(&mut numbers));
                expected.push((Table::PerObjectBlobInfo, new, Some(Side::B)));
            }
            _ => {}
        }
    }
    let (last_pooled, _) = b.pooled.pop_last().expect("a row");
    expected.push((Table::PerObjectPooledBlobInfo, last_pooled, Some(Side::A)));
    let (first_pool, _) = b.pools.pop_first().expect("a pool");
    expected.push((Table::StoragePoolInfo, first_pool, Some(Side::A)));
    expected.sort();
    (a, b, expected)
}

#[test]
fn each_difference_is_found_once_and_in_order() {
    for seed in 0..10 {
        let (a, b, expected) = planted(seed);
        let (sealed, counted) = (b.sealed(), b.counted());
        let (in_sealed_order, summary) = differences(&a.sealed(), &counted);
        let found: Vec<_> = in_sealed_order
            .iter()
            .map(|row| (row.table, row.key, row.only()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(summary.differences(), expected.len() as u64);

        // In the other framing's order the same rows differ.
        let (mut found, other_summary) = differences(&a.counted(), &sealed);
        found.sort_by_key(|row| (row.table, row.key));
        assert_eq!(found, in_sealed_order);
        assert_eq!(other_summary.tables, summary.tables);
    }
}

#[test]
fn the_other_way_round_is_the_mirror_image() {
    let (a, b, expected) = planted(77);
    let (_, there) = differences(&a.sealed(), &b.sealed());
    let (back, summary) = differences(&b.sealed(), &a.sealed());
    assert_eq!(back.len(), expected.len());
    for table in Table::ALL {
        let (one, other) = (&there.tables[table], &summary.tables[table]);
        assert_eq!((one.only.a, one.only.b), (other.only.b, other.only.a));
        assert_eq!((one.rows.a, one.rows.b), (other.rows.b, other.rows.a));
        assert_eq!((one.differ, &one.fields), (other.differ, &other.fields));
    }
}

#[test]
fn fields_are_named_and_counted() {
    let a = Tables::at_boundary(32, 500);
    let mut b = a.clone();
    let keys = a.keys();
    b.object(&keys[1]).registered_epoch.0 ^= 1;
    let row = b.object(&keys[2]);
    row.deleted = true;
    row.event = Numbers(1).event();
    let (found, summary) = differences(&a.sealed(), &b.sealed());
    let names: Vec<Vec<&str>> = found
        .iter()
        .map(|row| row.fields.iter().map(|field| field.field).collect())
        .collect();
    assert_eq!(names, [vec!["registered_epoch"], vec!["event", "deleted"]]);
    let text = found[0].fields[0].to_string();
    let before = a.objects[&keys[1]].registered_epoch.0;
    assert_eq!(text, format!("registered_epoch {before} -> {}", before ^ 1));
    let counts: Vec<(&str, u64)> = summary.tables[Table::PerObjectBlobInfo]
        .fields
        .iter()
        .map(|(field, rows)| (*field, *rows))
        .collect();
    assert_eq!(
        counts,
        [("deleted", 1), ("event", 1), ("registered_epoch", 1)]
    );
}

#[test]
fn empty_snapshots_and_tables_are_no_exception() {
    let (empty, full) = (Tables::default(), Tables::at_boundary(33, 100));
    let (found, summary) = differences(&empty.sealed(), &full.counted());
    let rows = full.rows(Framing::Sealed).len();
    assert_eq!(found.len(), rows);
    assert!(found.iter().all(|row| row.only() == Some(Side::B)));
    assert_eq!(summary.differences(), rows as u64);
    let (found, summary) = differences(&empty.counted(), &empty.sealed());
    assert_eq!(found.len(), 0);
    assert!(summary.is_same());
}

fn collector() -> Collector {
    let header = (Header::Sealed(SealedHeader::offline(EPOCH)), Origin::Found);
    let headers = Sides {
        a: header,
        b: header,
    };
    Collector::new(headers, Framing::Sealed)
}

#[test]
fn a_side_that_breaks_off_is_no_side_that_ends() {
    let (sender, mut broken) = channel();
    drop(sender);
    let (whole, mut ended) = channel();
    whole.finish();
    let handed_on = |_: &_| Ok::<(), std::convert::Infallible>(());
    let result = diff(
        &mut ended,
        &mut broken,
        Framing::Sealed,
        &mut collector(),
        handed_on,
    );
    assert!(
        matches!(
            result,
            Err(DiffError::Rows {
                side: Side::B,
                source: Interrupted
            })
        ),
        "{result:?}"
    );
    assert_eq!(broken.header(), Err(Interrupted));
}

/// One row whose value is not canonical.
struct Damaged(bool);

impl Rows for Damaged {
    type Error = Interrupted;

    fn current(&mut self) -> Result<Option<Entry<'_>>, Interrupted> {
        Ok((!self.0).then_some(Entry {
            table: Table::StoragePoolInfo,
            key: ObjectId::new([1; 32]),
            value: &[0, 1],
        }))
    }

    fn advance(&mut self) {
        self.0 = true;
    }
}

#[test]
fn a_value_that_is_not_canonical_is_an_error() {
    let (whole, mut ended) = channel();
    whole.finish();
    let handed_on = |_: &_| Ok::<(), std::convert::Infallible>(());
    let result = diff(
        &mut Damaged(false),
        &mut ended,
        Framing::Sealed,
        &mut collector(),
        handed_on,
    );
    let error = result.expect_err("not canonical").to_string();
    assert!(error.contains("storage_pool_info"), "{error}");
}

#[test]
fn whoever_takes_differences_can_stop() {
    let (a, b) = (Tables::default(), Tables::at_boundary(34, 100));
    let rows = b.rows(Framing::Sealed).len();
    let (_, summary) = differences(&a.sealed(), &b.sealed());
    assert_eq!(summary.differences(), rows as u64);
    let (whole, mut ended) = channel();
    whole.finish();
    let (sender, mut rest) = channel();
    std::thread::scope(|scope| {
        let bytes = b.sealed();
        scope.spawn(move || {
            let mut sender = sender;
            let mut decoder = snapshot_format::Decoder::new();
            decoder
                .push(&bytes, |event| sender.event(&event, &Table::ALL))
                .expect("a sound snapshot");
            sender.finish();
        });
        let result = diff(
            &mut ended,
            &mut rest,
            Framing::Sealed,
            &mut collector(),
            |_| Err("enough"),
        );
        assert!(
            matches!(result, Err(DiffError::Consumer("enough"))),
            "{result:?}"
        );
        drop(rest);
    });
}
