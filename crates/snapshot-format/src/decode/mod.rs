//! The push decoder: bytes go in in slices of any size, borrowed events come out.
//!
//! `element` reads single elements from contiguous bytes, `state` says what follows what; this
//! module joins elements that slices cut, and keeps the digest.

mod element;
mod state;

use crate::digest::{Digest, RunningDigest};
use crate::error::DecodeError;
use crate::framing::Framing;
use crate::header::Header;
use crate::id::ObjectId;
use crate::limits::MAX_FIELD_LEN;
use crate::location::{Location, Section};
use crate::record::Record;
use crate::table::{PerTable, Table};
use crate::value::ValueError;
use crate::wire::Stop;
use state::Machine;

/// An upper bound in bytes on one element: an entry with a key and a value of the longest kind. (A
/// header is shorter.)
const MAX_ELEMENT_LEN: usize = 2 * (MAX_FIELD_LEN + 8);

/// Something the decoder found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The header. It is always the first event.
    Header(&'a Header),
    /// The beginning of a table's section.
    SectionStart(Table),
    /// An entry; its value is canonical and its key is above the one before.
    Entry(Entry<'a>),
    /// The end of a table's section.
    SectionEnd(Table),
}

/// An entry of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: ObjectId,
    /// The value: canonical BCS of a known variant.
    pub value: &'a [u8],
}

impl Entry<'_> {
    /// The typed value.
    ///
    /// # Errors
    ///
    /// None for an entry that came from a [`Decoder`].
    pub fn record(&self) -> Result<Record, ValueError> {
        Record::decode(self.table, self.value)
    }
}

/// How far a decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The snapshot is not complete yet.
    NeedMore,
    /// The snapshot is complete; any further byte is an error.
    Complete,
}

/// What a decoded snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The header.
    pub header: Header,
    /// The digest, which is also the trailer of a sealed file.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// Entries in each table.
    pub counts: PerTable<u64>,
}

/// Decodes a snapshot of either framing, strictly (`docs/format.md`, "Rules of the decoder").
///
/// Exactly one byte string is accepted for one content. The events and the outcome do not depend on
/// how the input is sliced. Memory is bounded by the longest entry, whatever lengths the input
/// claims. A failed decoder returns its error again.
///
/// ```
/// use snapshot_format::{Decoder, Encoder, Epoch, Event, SealedHeader};
///
/// let header = SealedHeader::offline(Epoch(7));
/// let file = Encoder::sealed(Vec::new(), &header)?.finish()?.sink;
///
/// let mut decoder = Decoder::new();
/// let mut entries = 0;
/// for slice in file.chunks(10) {
///     decoder.push(slice, |event| entries += u64::from(matches!(event, Event::Entry(_))))?;
/// }
/// let decoded = decoder.end()?;
/// assert_eq!((decoded.header.epoch(), decoded.counts.total(), entries), (Epoch(7), 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder {
    machine: Machine,
    digest: RunningDigest,
    /// Whether the digest has all the bytes it covers.
    body_hashed: bool,
    /// Bytes of an element that the input so far cuts.
    carry: Vec<u8>,
    /// Bytes received.
    received: u64,
    failure: Option<DecodeError>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder that tells the framing from the file.
    #[must_use]
    pub fn new() -> Self {
        Self::with_machine(Machine::new(None))
    }

    /// A decoder that accepts `framing` only.
    #[must_use]
    pub fn expecting(framing: Framing) -> Self {
        Self::with_machine(Machine::new(Some(framing)))
    }

    fn with_machine(machine: Machine) -> Self {
        Self {
            machine,
            digest: RunningDigest::new(),
            body_hashed: false,
            carry: Vec::new(),
            received: 0,
            failure: None,
        }
    }

    /// Decodes the next bytes of the file and hands each event to `on_event`.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break. Events handed out before are of a broken file.
    pub fn push(
        &mut self,
        input: &[u8],
        mut on_event: impl FnMut(Event<'_>),
    ) -> Result<Status, DecodeError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        match self.advance(input, &mut on_event) {
            Ok(()) if self.machine.is_complete() => Ok(Status::Complete),
            Ok(()) => Ok(Status::NeedMore),
            Err(error) => {
                self.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Bytes received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// The digest of the bytes received so far, the trailer aside.
    ///
    /// A clone of a decoder goes on from where the decoder is, so a file can be read again in parts,
    /// side by side. That the parts have the bytes of the first time shows where one ends and the next
    /// begins: [`received`](Self::received) and this are equal.
    #[must_use]
    pub fn digest_so_far(&self) -> Digest {
        self.digest.current()
    }

    /// Ends the input.
    ///
    /// # Errors
    ///
    /// If the snapshot is not complete, or an earlier call failed.
    pub fn end(self) -> Result<Decoded, DecodeError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match self.machine.outcome() {
            Some((header, counts)) => Ok(Decoded {
                header,
                digest: self.digest.current(),
                size: self.received,
                counts,
            }),
            None => Err(DecodeError::UnexpectedEnd {
                at: Location {
                    section: self.machine.section(),
                    offset: self.received,
                },
            }),
        }
    }

    fn advance(
        &mut self,
        input: &[u8],
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        let base = self.received;
        self.received += input.len() as u64;
        let mut rest = input;
        if !self.carry.is_empty() {
            let Some(after) = self.join(input, base, on_event)? else {
                self.hash(input);
                return Ok(());
            };
            rest = after;
        }
        loop {
            if self.machine.body_is_complete() && !self.body_hashed {
                let (body, _) = input.split_at(input.len() - rest.len());
                self.digest.update(body);
                self.body_hashed = true;
            }
            if self.machine.is_complete() {
                let offset = self.received - rest.len() as u64;
                return if rest.is_empty() {
                    Ok(())
                } else {
                    Err(DecodeError::TrailingBytes {
                        at: Location {
                            section: Section::End,
                            offset,
                        },
                    })
                };
            }
            let offset = self.received - rest.len() as u64;
            match self.machine.step(rest, offset, &self.digest, on_event) {
                Ok(consumed) => rest = rest.get(consumed..).unwrap_or_default(),
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::NeedMore) => {
                    self.carry.extend_from_slice(rest);
                    self.hash(input);
                    return Ok(());
                }
            }
        }
    }

    /// Puts bytes into the digest unless they follow what it covers.
    fn hash(&mut self, bytes: &[u8]) {
        if !self.body_hashed {
            self.digest.update(bytes);
        }
    }

    /// Completes the element that the last input cut, and returns what follows it in `input`; nothing
    /// if the element is still not whole.
    fn join<'a>(
        &mut self,
        input: &'a [u8],
        base: u64,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        let carried = self.carry.len();
        let offset = base - carried as u64;
        let (taken, _) = input.split_at(input.len().min(MAX_ELEMENT_LEN));
        self.carry.extend_from_slice(taken);
        match self
            .machine
            .step(&self.carry, offset, &self.digest, on_event)
        {
            Ok(consumed) => {
                self.carry.clear();
                // The element was not whole without `input`, so it ends in it.
                Ok(input.get(consumed.saturating_sub(carried)..))
            }
            Err(Stop::NeedMore) => Ok(None),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}
