//! What follows what in a snapshot, and the rules that span elements: order and counts.

use super::element::{self, EntryOrEnd, RawEntry};
use super::{Entry, Event};
use crate::digest::{Digest, RunningDigest};
use crate::error::DecodeError;
use crate::framing::Framing;
use crate::header::Header;
use crate::id::ObjectId;
use crate::location::{Location, Section};
use crate::order::OrderGuard;
use crate::record;
use crate::table::{PerTable, Table};
use crate::value::ValueError;
use crate::wire::{Reader, Stop};

/// Which element comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Preamble,
    Header,
    /// The start of the section of the framing's table with this index.
    SectionStart(usize),
    /// An entry of the section, or its end. In the counted framing, `left` entries remain.
    Entries {
        index: usize,
        table: Table,
        left: u64,
    },
    Trailer,
    Complete,
}

/// The state with all it needs.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    expected: Option<Framing>,
    state: State,
    header: Option<Header>,
    order: OrderGuard,
    counts: PerTable<u64>,
}

impl Machine {
    pub(super) fn new(expected: Option<Framing>) -> Self {
        Self {
            expected,
            state: State::Preamble,
            header: None,
            order: OrderGuard::default(),
            counts: PerTable::default(),
        }
    }

    /// Whether all that the digest covers was read.
    #[inline]
    pub(super) const fn body_is_complete(&self) -> bool {
        matches!(self.state, State::Trailer | State::Complete)
    }

    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Header and counts, once complete.
    pub(super) fn outcome(&self) -> Option<(Header, PerTable<u64>)> {
        self.header
            .filter(|_| self.is_complete())
            .map(|header| (header, self.counts))
    }

    /// The part of the file that the next element belongs to.
    pub(super) fn section(&self) -> Section {
        match self.state {
            State::Preamble => Section::Preamble,
            State::Header => Section::Header,
            State::SectionStart(index) => self
                .tables()
                .get(index)
                .map_or(Section::Header, |table| Section::Table(*table)),
            State::Entries { table, .. } => Section::Table(table),
            State::Trailer => Section::Trailer,
            State::Complete => Section::End,
        }
    }

    /// Framing of the file; before its header it does not matter.
    #[inline]
    fn framing(&self) -> Framing {
        self.header
            .as_ref()
            .map_or(Framing::Sealed, Header::framing)
    }

    fn tables(&self) -> [Table; 3] {
        self.framing().tables()
    }

    /// Reads elements from the front of `bytes`, the first of which stands at `offset`, and returns how
    /// many bytes they take: one element, or all whole entries where entries follow each other.
    ///
    /// `digest` covers all bytes before the trailer when the trailer is read, and need not before.
    #[inline]
    pub(super) fn step(
        &mut self,
        bytes: &[u8],
        offset: u64,
        digest: &RunningDigest,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<usize, Stop> {
        let mut reader = Reader::new(bytes, offset, self.section());
        match self.state {
            State::Preamble => {
                element::preamble(&mut reader)?;
                self.state = State::Header;
            }
            State::Header => {
                let header = element::header(&mut reader, self.expected)?;
                on_event(Event::Header(&header));
                self.header = Some(header);
                self.state = State::SectionStart(0);
            }
            State::SectionStart(index) => self.section_start(index, &mut reader, on_event)?,
            State::Entries { index, table, left } => match self.framing() {
                Framing::Sealed => self.sealed_entries(index, table, &mut reader, on_event)?,
                Framing::Counted => {
                    self.counted_entries(index, table, left, &mut reader, on_event)?;
                }
            },
            State::Trailer => {
                let at = reader.location();
                let got = Digest(reader.u64_be()?);
                let expected = digest.current();
                if got != expected {
                    return Err(DecodeError::ChecksumMismatch { at, expected, got }.into());
                }
                self.state = State::Complete;
            }
            State::Complete => {}
        }
        Ok(reader.consumed())
    }

    fn section_start(
        &mut self,
        index: usize,
        reader: &mut Reader<'_>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Stop> {
        let framing = self.framing();
        let Some(&table) = framing.tables().get(index) else {
            self.state = State::Trailer;
            return Ok(());
        };
        element::tag(reader, framing.tag(table))?;
        let left = match framing {
            Framing::Sealed => 0,
            Framing::Counted => reader.u64_be()?,
        };
        self.order.reset();
        on_event(Event::SectionStart(table));
        if framing == Framing::Counted && left == 0 {
            self.section_end(index, table, on_event);
        } else {
            self.state = State::Entries { index, table, left };
        }
        Ok(())
    }

    fn section_end(&mut self, index: usize, table: Table, on_event: &mut impl FnMut(Event<'_>)) {
        on_event(Event::SectionEnd(table));
        let framing = self.framing();
        self.state = match framing {
            _ if index + 1 < framing.tables().len() => State::SectionStart(index + 1),
            Framing::Sealed => State::Trailer,
            Framing::Counted => State::Complete,
        };
    }

    /// Reads whole entries until the input or the section ends.
    fn sealed_entries(
        &mut self,
        index: usize,
        table: Table,
        reader: &mut Reader<'_>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Stop> {
        let mut any = false;
        loop {
            let mut ahead = reader.clone();
            match element::sealed_entry(&mut ahead) {
                Ok(EntryOrEnd::Entry(entry)) => self.entry(table, &entry, &ahead, on_event)?,
                Ok(EntryOrEnd::End { at, count }) => {
                    let expected = self.counts[table];
                    if count != expected {
                        return Err(DecodeError::CountMismatch {
                            at,
                            expected,
                            got: count,
                        }
                        .into());
                    }
                    *reader = ahead;
                    self.section_end(index, table, on_event);
                    return Ok(());
                }
                Err(Stop::NeedMore) if any => return Ok(()),
                Err(stop) => return Err(stop),
            }
            any = true;
            *reader = ahead;
        }
    }

    /// Reads whole entries until the input or the section ends; `left` of them remain.
    fn counted_entries(
        &mut self,
        index: usize,
        table: Table,
        mut left: u64,
        reader: &mut Reader<'_>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Stop> {
        let mut any = false;
        while left > 0 {
            let mut ahead = reader.clone();
            match element::counted_entry(&mut ahead) {
                Ok(entry) => self.entry(table, &entry, &ahead, on_event)?,
                Err(Stop::NeedMore) if any => return Ok(()),
                Err(stop) => return Err(stop),
            }
            any = true;
            left -= 1;
            self.state = State::Entries { index, table, left };
            *reader = ahead;
        }
        self.section_end(index, table, on_event);
        Ok(())
    }

    /// Judges an entry that is whole, and hands it out.
    #[inline]
    fn entry(
        &mut self,
        table: Table,
        entry: &RawEntry<'_>,
        reader: &Reader<'_>,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), DecodeError> {
        let RawEntry {
            key_at,
            key,
            value_at,
            value,
        } = *entry;
        let key = ObjectId::new(*key);
        self.order
            .admit(key)
            .map_err(|previous| DecodeError::KeysNotIncreasing {
                at: reader.location_of(key_at),
                previous,
                key,
            })?;
        record::validate(table, value)
            .map_err(|source| invalid_value(reader.location_of(value_at), key, source))?;
        self.counts[table] += 1;
        on_event(Event::Entry(Entry { table, key, value }));
        Ok(())
    }
}

#[cold]
fn invalid_value(at: Location, key: ObjectId, source: ValueError) -> DecodeError {
    match source {
        ValueError::UnknownVariant { got } => DecodeError::UnknownVariant {
            at,
            key,
            variant: got,
        },
        source => DecodeError::InvalidValue { at, key, source },
    }
}
