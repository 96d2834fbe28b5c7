//! A divergence planted in one row among 2,000,000 is found by exchanging fingerprints alone.

use snapshot_format::{
    Decoder, Encoder, ObjectId, PerObjectBlobInfo, Record, SealedHeader, Sink, Table,
};
use snapshot_tools::compare::{Located, compare};
use snapshot_tools::fingerprint::{Digests, Fingerprint, Fingerprinter, Focus, InputKind};

use crate::support::{EPOCH, Numbers, document, object};

const ROWS: u64 = 2_000_000;

/// What an exchange may cost each node, in bytes.
const BUDGET: usize = 16 * 1024;

/// Decodes what an encoder writes, so that no file is needed.
struct Fingerprinting {
    decoder: Decoder,
    fingerprinter: Fingerprinter,
}

impl Sink for Fingerprinting {
    type Error = snapshot_format::DecodeError;

    fn write(&mut self, bytes: &[u8]) -> Result<(), Self::Error> {
        let fingerprinter = &mut self.fingerprinter;
        let on_event = |event: snapshot_format::Event<'_>| fingerprinter.event(&event);
        self.decoder.push(bytes, on_event).map(drop)
    }
}

/// The row with this number: keys are spread evenly and ascend.
fn row(number: u64) -> (ObjectId, Record) {
    let mut numbers = Numbers(number.wrapping_mul(0x1234_5678_9abc_def1));
    let mut key = numbers.bytes();
    let step = u64::MAX / ROWS;
    let head = number * step + numbers.below(step);
    key[..8].copy_from_slice(&head.to_be_bytes());
    let row = PerObjectBlobInfo::V1(object(&mut numbers));
    (ObjectId::new(key), Record::PerObjectBlobInfo(row))
}

/// The fingerprint of a node that has one bit of one row wrong, maybe.
fn node(focus: Focus, wrong: Option<u64>) -> Fingerprint {
    let sink = Fingerprinting {
        decoder: Decoder::new(),
        fingerprinter: Fingerprinter::new(focus),
    };
    let mut encoder = Encoder::sealed(sink, &SealedHeader::offline(EPOCH)).expect("a header");
    for number in 0..ROWS {
        let (key, record) = row(number);
        let mut value = record.encode();
        if wrong == Some(number) {
            // The lowest bit of `registered_epoch`.
            value[33] ^= 1;
        }
        encoder
            .entry(Table::PerObjectBlobInfo, key.as_bytes(), &value)
            .expect("rows in order");
    }
    let encoded = encoder.finish().expect("a snapshot");
    let digests = Digests {
        sealed: Some(encoded.digest),
        counted: None,
    };
    let decoded = encoded.sink.decoder.end().expect("a sound snapshot");
    let prints = encoded.sink.fingerprinter.finish();
    let (name, kind) = ("snapshot_epoch_25.bin".to_owned(), InputKind::File);
    Fingerprint::new(name, kind, decoded.header, digests, prints)
}

#[test]
fn one_row_of_two_million_is_found_by_fingerprints_alone() {
    let wrong = 1_234_567;
    let (key, _) = row(wrong);
    let mut focus = Focus::All;
    let mut exchanged = 0;
    for round in 1..=4 {
        // What is exchanged is bytes; each side reads the other's.
        let documents = [None, Some(wrong)].map(|wrong| document(&node(focus, wrong)));
        exchanged += documents[0].len().max(documents[1].len());
        let prints = documents.map(|bytes| Fingerprint::parse(&bytes).expect("a document"));
        let comparison = compare(&prints);
        let difference = comparison.epochs[0].groups[1].tables[0].clone();
        assert_eq!(difference.table, Table::PerObjectBlobInfo);
        if let Some(next) = difference.next() {
            focus = next;
            continue;
        }
        let Located::Row { key: at, fields } = &difference.located else {
            panic!("a row: {difference:?}");
        };
        assert_eq!((round, *at), (4, key));
        assert_eq!(fields.len(), 1);
        assert_eq!(fields[0].field, "registered_epoch");
        println!("found in {round} rounds; {exchanged} bytes exchanged by each node");
        assert!(exchanged <= BUDGET, "{exchanged} bytes");
        return;
    }
    panic!("not found");
}
