//! Rows as a node has them, snapshots of them, and the short ways to a fingerprint and a difference.

use std::collections::BTreeMap;

use snapshot_format::{
    BlobId, CountedHeader, Decoder, Encoder, Epoch, EventId, Framing, Header, ObjectId,
    PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1,
    PerTable, Record, SealedHeader, StoragePoolInfo, StoragePoolInfoV1, Table, TransactionDigest,
};
use snapshot_tools::diff::{Collector, DiffSummary, RowDifference, diff};
use snapshot_tools::fingerprint::{Digests, Fingerprint, Fingerprinter, Focus, InputKind};
use snapshot_tools::header::Origin;
use snapshot_tools::rows::{RowSender, passes, side_by_side};
use snapshot_tools::side::Sides;

/// The epoch that begins at the boundary.
pub(crate) const EPOCH: Epoch = Epoch(25);

/// Numbers that look random and are the same in every run (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn epoch(&mut self, first: u32, last: u32) -> Epoch {
        Epoch(first + u32::try_from(self.below(u64::from(last - first) + 1)).expect("a u32"))
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for part in bytes.chunks_exact_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        bytes
    }

    pub(crate) fn event(&mut self) -> EventId {
        EventId {
            tx_digest: TransactionDigest::new(self.bytes()),
            event_seq: self.below(5),
        }
    }
}

/// The tables of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tables {
    pub(crate) objects: BTreeMap<ObjectId, PerObjectBlobInfoV1>,
    pub(crate) pooled: BTreeMap<ObjectId, PerObjectPooledBlobInfoV1>,
    pub(crate) pools: BTreeMap<ObjectId, StoragePoolInfoV1>,
}

impl Tables {
    /// Tables as they are directly after garbage collection at the boundary of [`EPOCH`].
    pub(crate) fn at_boundary(seed: u64, objects: u64) -> Self {
        let mut numbers = Numbers(seed);
        let mut tables = Self::default();
        for _ in 0..objects / 20 {
            let id = ObjectId::new(numbers.bytes());
            tables.pools.insert(id, pool(&mut numbers));
        }
        let pools: Vec<ObjectId> = tables.pools.keys().copied().collect();
        for number in 0..objects {
            let id = ObjectId::new(numbers.bytes());
            if number % 4 == 0 && !pools.is_empty() {
                let place = numbers.below(pools.len() as u64) as usize;
                tables.pooled.insert(id, pooled(&mut numbers, pools[place]));
            } else {
                tables.objects.insert(id, object(&mut numbers));
            }
        }
        tables
    }

    /// All rows in the order of `framing`.
    pub(crate) fn rows(&self, framing: Framing) -> Vec<(ObjectId, Record)> {
        let mut rows = Vec::new();
        for table in framing.tables() {
            match table {
                Table::PerObjectBlobInfo => {
                    let row = |row: &_| Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(*row));
                    rows.extend(self.objects.iter().map(|(id, it)| (*id, row(it))));
                }
                Table::PerObjectPooledBlobInfo => {
                    let row = |row: &_| {
                        Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(*row))
                    };
                    rows.extend(self.pooled.iter().map(|(id, it)| (*id, row(it))));
                }
                Table::StoragePoolInfo => {
                    let row = |row: &_| Record::StoragePoolInfo(StoragePoolInfo::V1(*row));
                    rows.extend(self.pools.iter().map(|(id, it)| (*id, row(it))));
                }
            }
        }
        rows
    }

    /// A snapshot with `header`.
    pub(crate) fn snapshot(&self, header: &Header) -> Vec<u8> {
        let mut encoder = match header {
            Header::Sealed(header) => Encoder::sealed(Vec::new(), header),
            Header::Counted(header) => {
                let counts = PerTable {
                    per_object_blob_info: self.objects.len() as u64,
                    per_object_pooled_blob_info: self.pooled.len() as u64,
                    storage_pool_info: self.pools.len() as u64,
                };
                Encoder::counted(Vec::new(), header, counts)
            }
        }
        .expect("a vector takes anything");
        for (key, record) in self.rows(header.framing()) {
            encoder.record(&key, &record).expect("rows in order");
        }
        encoder.finish().expect("the counts hold").sink
    }

    pub(crate) fn sealed(&self) -> Vec<u8> {
        self.snapshot(&sealed_header())
    }

    pub(crate) fn counted(&self) -> Vec<u8> {
        self.snapshot(&counted_header())
    }

    /// The keys of the objects that own their storage.
    pub(crate) fn keys(&self) -> Vec<ObjectId> {
        self.objects.keys().copied().collect()
    }

    pub(crate) fn object(&mut self, key: &ObjectId) -> &mut PerObjectBlobInfoV1 {
        self.objects.get_mut(key).expect("an object")
    }
}

pub(crate) fn object(numbers: &mut Numbers) -> PerObjectBlobInfoV1 {
    let registered = numbers.epoch(EPOCH.0 - 15, EPOCH.0 - 1);
    let certified = (numbers.below(10) > 0).then_some(registered);
    PerObjectBlobInfoV1 {
        blob_id: BlobId::new(numbers.bytes()),
        registered_epoch: registered,
        certified_epoch: certified,
        end_epoch: numbers.epoch(EPOCH.0 + 1, EPOCH.0 + 40),
        deletable: numbers.below(2) == 0,
        event: numbers.event(),
        deleted: false,
    }
}

pub(crate) fn pooled(numbers: &mut Numbers, pool: ObjectId) -> PerObjectPooledBlobInfoV1 {
    let registered = numbers.epoch(EPOCH.0 - 15, EPOCH.0 - 1);
    PerObjectPooledBlobInfoV1 {
        blob_id: BlobId::new(numbers.bytes()),
        registered_epoch: registered,
        certified_epoch: (numbers.below(10) > 0).then_some(registered),
        storage_pool_id: pool,
        event: numbers.event(),
    }
}

pub(crate) fn pool(numbers: &mut Numbers) -> StoragePoolInfoV1 {
    StoragePoolInfoV1 {
        start_epoch: numbers.epoch(EPOCH.0 - 15, EPOCH.0 - 1),
        end_epoch: numbers.epoch(EPOCH.0 + 1, EPOCH.0 + 40),
    }
}

pub(crate) fn sealed_header() -> Header {
    Header::Sealed(SealedHeader::offline(EPOCH))
}

pub(crate) fn counted_header() -> Header {
    Header::Counted(CountedHeader {
        epoch: EPOCH,
        event_id: Numbers(99).event(),
        next_event_index: 12_004,
    })
}

/// The fingerprint of a snapshot.
pub(crate) fn fingerprint(snapshot: &[u8], focus: Focus) -> Fingerprint {
    named(snapshot, focus, "a.bin")
}

pub(crate) fn named(snapshot: &[u8], focus: Focus, name: &str) -> Fingerprint {
    let mut fingerprinter = Fingerprinter::new(focus);
    let mut decoder = Decoder::new();
    // Slices that cut entries anywhere.
    for slice in snapshot.chunks(10_007) {
        decoder
            .push(slice, |event| fingerprinter.event(&event))
            .expect("a sound snapshot");
    }
    let decoded = decoder.end().expect("a whole snapshot");
    let digests = match decoded.header.framing() {
        Framing::Sealed => Digests {
            sealed: Some(decoded.digest),
            counted: None,
        },
        Framing::Counted => Digests {
            sealed: None,
            counted: Some(decoded.digest),
        },
    };
    let (name, kind) = (name.to_owned(), InputKind::File);
    Fingerprint::new(name, kind, decoded.header, digests, fingerprinter.finish())
}

/// The bytes of a fingerprint as it is exchanged.
pub(crate) fn document(print: &Fingerprint) -> Vec<u8> {
    serde_json::to_vec(print).expect("a document")
}

/// What two snapshots differ in, walked over in the order of `a`'s framing.
pub(crate) fn differences(a: &[u8], b: &[u8]) -> (Vec<RowDifference>, DiffSummary) {
    let found = Sides {
        a: Origin::Found,
        b: Origin::Found,
    };
    differences_of(a, b, found)
}

pub(crate) fn differences_of(
    a: &[u8],
    b: &[u8],
    origins: Sides<Origin>,
) -> (Vec<RowDifference>, DiffSummary) {
    let order = framing(a);
    let feed = |bytes| {
        move |mut sender: RowSender| {
            for pass in passes(framing(bytes), order) {
                let mut decoder = Decoder::new();
                decoder
                    .push(bytes, |event| sender.event(&event, &pass))
                    .expect("a sound snapshot");
                decoder.end().expect("a whole snapshot");
            }
            sender.finish();
        }
    };
    let (_, result) = side_by_side(feed(a), feed(b), |a, b| {
        let headers = Sides {
            a: (a.header().expect("a header"), origins.a),
            b: (b.header().expect("a header"), origins.b),
        };
        let mut collector = Collector::new(headers, order);
        let mut found = Vec::new();
        diff(a, b, order, &mut collector, |row| {
            found.push(row.clone());
            Ok::<(), std::convert::Infallible>(())
        })
        .expect("both can be read");
        (found, collector.finish())
    })
    .expect("two threads");
    result
}

fn framing(snapshot: &[u8]) -> Framing {
    Framing::from_byte_8(snapshot[8])
}
