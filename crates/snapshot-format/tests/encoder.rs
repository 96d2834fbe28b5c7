//! What the encoder refuses (SF-093), and how it hands out its bytes (SF-021).

mod common;

use std::convert::Infallible;

use common::{Refused, decode};
use snapshot_format::{
    BlobId, ChunkPosition, CountedHeader, EncodeError, Encoder, EntryBlock, EntryError, Epoch,
    EventId, Framing, ObjectId, PerObjectBlobInfo, PerObjectBlobInfoV1, PerTable, Record,
    SealedHeader, Sink, StoragePoolInfo, StoragePoolInfoV1, Table, TransactionDigest, ValueError,
};

const POOLS: Table = Table::StoragePoolInfo;
const OBJECTS: Table = Table::PerObjectBlobInfo;
const POOLED: Table = Table::PerObjectPooledBlobInfo;

fn sealed() -> Encoder<Vec<u8>> {
    Encoder::sealed(Vec::new(), &SealedHeader::offline(Epoch(7))).unwrap()
}

fn counted(counts: PerTable<u64>) -> Encoder<Vec<u8>> {
    Encoder::counted(Vec::new(), &counted_header(), counts).unwrap()
}

fn counted_header() -> CountedHeader {
    CountedHeader {
        epoch: Epoch(7),
        event_id: EventId {
            tx_digest: TransactionDigest::new([1; 32]),
            event_seq: 0,
        },
        next_event_index: 1,
    }
}

fn pools(count: u64) -> PerTable<u64> {
    PerTable::from_fn(|table| if table == POOLS { count } else { 0 })
}

fn pool() -> Vec<u8> {
    let pool = StoragePoolInfoV1 {
        start_epoch: Epoch(1),
        end_epoch: Epoch(9),
    };
    StoragePoolInfo::V1(pool).encode()
}

fn object() -> Record {
    Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(PerObjectBlobInfoV1 {
        blob_id: BlobId::new([2; 32]),
        registered_epoch: Epoch(1),
        certified_epoch: None,
        end_epoch: Epoch(9),
        deletable: false,
        event: EventId {
            tx_digest: TransactionDigest::new([3; 32]),
            event_seq: 4,
        },
        deleted: false,
    }))
}

fn key(byte: u8) -> [u8; 32] {
    [byte; 32]
}

fn not_increasing(previous: u8, now: u8) -> EntryError {
    EntryError::KeysNotIncreasing {
        table: POOLS,
        previous: ObjectId::new(key(previous)),
        key: ObjectId::new(key(now)),
    }
}

/// Whatever is asked of it after a refusal, an encoder answers that it is poisoned.
fn assert_poisoned(mut encoder: Encoder<Vec<u8>>) {
    let block = EntryBlock::new(encoder.framing(), POOLS);
    assert_eq!(
        encoder.entry(POOLS, &key(0xff), &pool()),
        Err(EncodeError::Poisoned)
    );
    assert_eq!(
        encoder.record(&ObjectId::new(key(0xff)), &object()),
        Err(EncodeError::Poisoned)
    );
    assert_eq!(encoder.append(&block), Err(EncodeError::Poisoned));
    assert_eq!(encoder.finish().unwrap_err(), EncodeError::Poisoned);
}

// SF-093: order
#[test]
fn keys_that_do_not_increase_are_refused() {
    for now in [5, 4] {
        let mut encoder = sealed();
        encoder.entry(POOLS, &key(5), &pool()).unwrap();
        let refused = encoder.entry(POOLS, &key(now), &pool()).unwrap_err();
        assert_eq!(refused, EncodeError::Entry(not_increasing(5, now)));
        assert_poisoned(encoder);
    }
}

// SF-093: order, across blocks and from blocks to entries
#[test]
fn keys_that_do_not_increase_from_block_to_block_are_refused() {
    let block = |keys: [u8; 2]| {
        let mut block = EntryBlock::new(Framing::Sealed, POOLS);
        for byte in keys {
            block.push(&key(byte), &pool()).unwrap();
        }
        block
    };
    for (first, now) in [([3, 5], 5), ([3, 5], 4), ([3, 5], 2)] {
        let mut encoder = sealed();
        encoder.append(&block(first)).unwrap();
        let refused = encoder.append(&block([now, 9])).unwrap_err();
        assert_eq!(refused, EncodeError::Entry(not_increasing(5, now)));
        assert_poisoned(encoder);

        let mut encoder = sealed();
        encoder.append(&block(first)).unwrap();
        let refused = encoder.entry(POOLS, &key(now), &pool()).unwrap_err();
        assert_eq!(refused, EncodeError::Entry(not_increasing(5, now)));
        assert_poisoned(encoder);

        let mut encoder = sealed();
        encoder.entry(POOLS, &key(5), &pool()).unwrap();
        let refused = encoder.append(&block([now, 9])).unwrap_err();
        assert_eq!(refused, EncodeError::Entry(not_increasing(5, now)));
        assert_poisoned(encoder);
    }
}

#[test]
fn a_block_that_refused_an_entry_is_as_before() {
    let mut block = EntryBlock::new(Framing::Counted, POOLS);
    block.push(&key(5), &pool()).unwrap();
    let before = block.clone();
    assert_eq!(block.push(&key(5), &pool()), Err(not_increasing(5, 5)));
    assert!(block.push(&key(6), &[1]).is_err() && block.push(&[6; 31], &pool()).is_err());
    assert_eq!(block.as_bytes(), before.as_bytes());
    assert_eq!(
        (block.count(), block.first_key(), block.last_key()),
        (1, Some(ObjectId::new(key(5))), Some(ObjectId::new(key(5))),)
    );
    block.push(&key(6), &pool()).unwrap();
    assert_eq!(block.count(), 2);
}

#[test]
fn a_cleared_block_goes_on_and_a_reset_one_begins_again() {
    let mut block = EntryBlock::with_capacity(Framing::Sealed, POOLS, 100);
    block.push(&key(5), &pool()).unwrap();
    block.clear();
    assert!(block.is_empty() && block.as_bytes().is_empty());
    assert_eq!((block.first_key(), block.last_key()), (None, None));
    assert_eq!(block.push(&key(5), &pool()), Err(not_increasing(5, 5)));
    block.reset(OBJECTS);
    assert_eq!((block.table(), block.framing()), (OBJECTS, Framing::Sealed));
    block.push(&key(1), &object().encode()).unwrap();
}

// SF-093: keys of another length
#[test]
fn keys_of_another_length_are_refused() {
    for len in [0, 31, 33] {
        let mut encoder = counted(pools(1));
        let refused = encoder.entry(POOLS, &vec![5; len], &pool()).unwrap_err();
        let key = vec![5; len];
        let expected = EntryError::KeyLength { table: POOLS, key };
        assert_eq!(refused, EncodeError::Entry(expected));
        assert_poisoned(encoder);
    }
}

// SF-093: values that are not canonical
#[test]
fn values_that_are_not_canonical_are_refused() {
    let mut long = pool();
    long.push(0);
    let unknown = [&[1], &pool()[1..]].concat();
    let cases = [
        (
            long,
            ValueError::TrailingBytes {
                offset: 9,
                count: 1,
            },
        ),
        (unknown, ValueError::UnknownVariant { got: 1 }),
    ];
    for (value, source) in cases {
        let mut encoder = sealed();
        let refused = encoder.entry(POOLS, &key(5), &value).unwrap_err();
        let expected = EntryError::InvalidValue {
            table: POOLS,
            key: ObjectId::new(key(5)),
            source,
        };
        assert_eq!(refused, EncodeError::Entry(expected));
        assert_poisoned(encoder);
    }
}

// SF-020, SF-030, SF-093: the order of sections is that of the framing
#[test]
fn tables_whose_section_is_closed_are_refused() {
    let cases = [
        (sealed(), [OBJECTS, POOLED, POOLS]),
        (counted(pools(1)), [OBJECTS, POOLS, POOLED]),
    ];
    for (encoder, tables) in cases {
        assert_eq!(encoder.framing().tables(), tables);
    }
    let mut encoder = sealed();
    encoder.entry(POOLS, &key(1), &pool()).unwrap();
    let refused = encoder
        .record(&ObjectId::new(key(2)), &object())
        .unwrap_err();
    let expected = EncodeError::TableOrder {
        table: OBJECTS,
        current: POOLS,
    };
    assert_eq!(refused, expected);
    assert_poisoned(encoder);
}

// SF-093: counts that do not hold
#[test]
fn counts_that_do_not_hold_are_refused() {
    for (announced, given) in [(2, 1), (0, 1), (u64::MAX, 1)] {
        let mut encoder = counted(pools(announced));
        for byte in 0..given {
            encoder.entry(POOLS, &key(byte), &pool()).unwrap();
        }
        let expected = EncodeError::CountMismatch {
            table: POOLS,
            expected: announced,
            got: u64::from(given),
        };
        assert_eq!(encoder.finish().unwrap_err(), expected);
    }
    // The mismatch shows when the section closes, not only at the end.
    let mut encoder = counted(PerTable::from_fn(|_table| 1));
    let refused = encoder.entry(POOLS, &key(1), &pool()).unwrap_err();
    assert!(
        matches!(refused, EncodeError::CountMismatch { table: OBJECTS, .. }),
        "{refused}"
    );
    assert_poisoned(encoder);
}

#[test]
fn blocks_of_the_other_framing_are_refused() {
    let mut encoder = sealed();
    let refused = encoder
        .append(&EntryBlock::new(Framing::Counted, POOLS))
        .unwrap_err();
    let expected = EncodeError::BlockFraming {
        expected: Framing::Sealed,
        got: Framing::Counted,
    };
    assert_eq!(refused, expected);
    assert_poisoned(encoder);
}

// SF-041
#[test]
fn chunks_out_of_range_are_refused() {
    for (index, count) in [(0, 0), (1, 1), (u32::MAX, u32::MAX)] {
        let header = SealedHeader {
            chunk: ChunkPosition { index, count },
            ..SealedHeader::offline(Epoch(7))
        };
        let refused: Refused = Encoder::sealed(Vec::new(), &header).unwrap_err();
        assert!(
            matches!(refused, EncodeError::InvalidHeader(_)),
            "{refused}"
        );
    }
}

/// A sink that is full after so many writes.
#[derive(Debug)]
struct Full {
    writes_left: usize,
}

impl Sink for Full {
    type Error = &'static str;

    fn write(&mut self, _bytes: &[u8]) -> Result<(), &'static str> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or("full")?;
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_is_not_asked_again() {
    let mut failures = 0;
    for writes_left in 0..20 {
        let mut sink = Full { writes_left };
        let outcome =
            Encoder::sealed(&mut sink, &SealedHeader::offline(Epoch(7))).and_then(|mut encoder| {
                let entry = encoder.entry(POOLS, &key(1), &pool());
                if let Err(error) = entry {
                    assert_eq!(error, EncodeError::Sink("full"));
                    assert_eq!(encoder.finish().unwrap_err(), EncodeError::Poisoned);
                    return Err(error);
                }
                encoder.finish().map(|encoded| encoded.size)
            });
        match outcome {
            Ok(_size) => assert!(failures > 0),
            Err(error) => {
                assert_eq!(error, EncodeError::Sink("full"));
                failures += 1;
            }
        }
    }
    assert!(failures < 20, "it never worked");
}

/// A sink that shows what it has while the encoder goes on.
#[derive(Clone, Debug, Default)]
struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Sink for Shared {
    type Error = Infallible;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }
}

// SF-021: a byte that was handed out is final.
#[test]
fn nothing_is_patched_afterwards() {
    for framing in [Framing::Sealed, Framing::Counted] {
        let sink = Shared::default();
        let count = 10_000;
        let mut encoder = match framing {
            Framing::Sealed => {
                Encoder::sealed(sink.clone(), &SealedHeader::offline(Epoch(7))).unwrap()
            }
            Framing::Counted => {
                Encoder::counted(sink.clone(), &counted_header(), pools(count)).unwrap()
            }
        };
        let mut stages = vec![sink.0.borrow().clone()];
        for number in 0..count {
            let mut key = [0; 32];
            key[24..].copy_from_slice(&number.to_be_bytes());
            encoder.entry(POOLS, &key, &pool()).unwrap();
            if number % 1000 == 0 {
                stages.push(sink.0.borrow().clone());
            }
        }
        let encoded = encoder.finish().unwrap();
        let file = sink.0.borrow();
        assert_eq!(encoded.size, file.len() as u64);
        assert!(stages.windows(2).any(|pair| pair[0].len() < pair[1].len()));
        for stage in &stages {
            assert!(file.starts_with(stage));
        }
        assert_eq!(decode(&file).unwrap().counts, pools(count));
    }
}
