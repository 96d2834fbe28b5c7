//! What several test files need: snapshots as plain values, events as plain values, and the vectors.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part of this"
)]

pub(crate) mod strategies;
pub(crate) mod vectors;

use std::convert::Infallible;

use snapshot_format::{
    DecodeError, Decoded, Decoder, EncodeError, Encoded, Encoder, Event, Framing, Header, ObjectId,
    PerTable, Record, Sink, Table,
};

/// The content of a snapshot, apart from how it is framed in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) header: Header,
    pub(crate) tables: PerTable<Vec<(ObjectId, Record)>>,
}

impl Content {
    pub(crate) fn framing(&self) -> Framing {
        self.header.framing()
    }

    pub(crate) fn counts(&self) -> PerTable<u64> {
        PerTable::from_fn(|table| self.tables[table].len() as u64)
    }

    /// All rows in the order of the framing.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &(ObjectId, Record)> {
        let tables = self.framing().tables().into_iter();
        tables.flat_map(|table| &self.tables[table])
    }

    pub(crate) fn encode(&self) -> Encoded<Vec<u8>> {
        let mut encoder = begin(&self.header, self.counts(), Vec::new()).unwrap();
        for (key, record) in self.rows() {
            encoder.record(key, record).unwrap();
        }
        encoder.finish().unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.encode().sink
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut tables = PerTable::<Vec<_>>::default();
        let decoded = decode_slices([bytes], |event| {
            if let Event::Entry(entry) = event {
                let record = entry.record().expect("an entry's value was validated");
                tables[entry.table].push((entry.key, record));
            }
        })?;
        Ok(Self {
            header: decoded.header,
            tables,
        })
    }
}

/// An encoder of the header's framing.
pub(crate) fn begin<S: Sink>(
    header: &Header,
    counts: PerTable<u64>,
    sink: S,
) -> Result<Encoder<S>, EncodeError<S::Error>> {
    match header {
        Header::Sealed(header) => Encoder::sealed(sink, header),
        Header::Counted(header) => Encoder::counted(sink, header, counts),
    }
}

/// Decodes a file that comes in slices.
pub(crate) fn decode_slices<'a>(
    slices: impl IntoIterator<Item = &'a [u8]>,
    mut on_event: impl FnMut(Event<'_>),
) -> Result<Decoded, DecodeError> {
    let mut decoder = Decoder::new();
    for slice in slices {
        decoder.push(slice, &mut on_event)?;
    }
    decoder.end()
}

/// Decodes a file and throws the events away.
pub(crate) fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    decode_slices([bytes], |_event| {})
}

/// An event that owns what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Header(Header),
    SectionStart(Table),
    Entry(Table, ObjectId, Vec<u8>),
    SectionEnd(Table),
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Header(header) => Self::Header(*header),
            Event::SectionStart(table) => Self::SectionStart(table),
            Event::Entry(entry) => Self::Entry(entry.table, entry.key, entry.value.to_vec()),
            Event::SectionEnd(table) => Self::SectionEnd(table),
        }
    }
}

/// All that a decoder says about a file that comes in slices: events and outcome.
pub(crate) fn transcript<'a>(
    slices: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Owned>, Result<Decoded, DecodeError>) {
    let mut events = Vec::new();
    let outcome = decode_slices(slices, |event| events.push(Owned::from(event)));
    (events, outcome)
}

/// An encoder's error when its sink cannot fail.
pub(crate) type Refused = EncodeError<Infallible>;
