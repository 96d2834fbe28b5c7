//! How long a snapshot will be, without writing it.

use crate::encode::{CountingSink, Encoder};
use crate::framing::Framing;
use crate::header::{ChunkPosition, CountedHeader, Header, SealedHeader};
use crate::id::{Epoch, EventId, TransactionDigest};
use crate::limits::KEY_LEN;
use crate::record::{PerObjectBlobInfo, PerObjectPooledBlobInfo, StoragePoolInfo};
use crate::table::{PerTable, Table};

/// Length in bytes of a snapshot with `header` and no entries.
pub(crate) fn empty_size(header: &Header) -> u64 {
    let sink = CountingSink::default();
    let encoded = match header {
        Header::Sealed(header) => {
            // An encoder refuses an index out of range, but the length is that of any other.
            let chunk = ChunkPosition::WHOLE;
            Encoder::sealed(sink, &SealedHeader { chunk, ..*header }).and_then(Encoder::finish)
        }
        Header::Counted(header) => {
            Encoder::counted(sink, header, PerTable::default()).and_then(Encoder::finish)
        }
    };
    encoded
        .expect("the sink takes all bytes and no entries were announced")
        .size
}

/// Length in bytes of a framed entry whose value has `value_len` bytes.
pub(crate) fn entry_size(framing: Framing, value_len: usize) -> u64 {
    let mut bytes = Vec::new();
    framing.put_entry(&mut bytes, &[0; KEY_LEN], &vec![0; value_len]);
    bytes.len() as u64
}

/// Length in bytes of a snapshot whose tables have these entries, given as lengths of values.
///
/// The same bytes are counted as an [`Encoder`] writes.
pub fn size(header: &Header, values: impl IntoIterator<Item = usize>) -> u64 {
    let framing = header.framing();
    empty_size(header)
        + values
            .into_iter()
            .map(|len| entry_size(framing, len))
            .sum::<u64>()
}

/// An upper bound in bytes on a snapshot with this many entries in each table: that of one whose
/// objects are all certified. For checking disk space before writing.
#[must_use]
pub fn max_size(framing: Framing, counts: &PerTable<u64>) -> u64 {
    let header = match framing {
        Framing::Sealed => {
            let mut header = SealedHeader::offline(Epoch(0));
            header.event_cursor.event_id = Some(EXAMPLE_EVENT);
            Header::Sealed(header)
        }
        Framing::Counted => Header::Counted(CountedHeader {
            epoch: Epoch(0),
            event_id: EXAMPLE_EVENT,
            next_event_index: 0,
        }),
    };
    let entries = counts.iter().map(|(table, count)| {
        let value_len = match table {
            Table::PerObjectBlobInfo => PerObjectBlobInfo::MAX_LEN,
            Table::PerObjectPooledBlobInfo => PerObjectPooledBlobInfo::MAX_LEN,
            Table::StoragePoolInfo => StoragePoolInfo::MAX_LEN,
        };
        count.saturating_mul(entry_size(framing, value_len))
    });
    entries.fold(empty_size(&header), u64::saturating_add)
}

/// Any event ID: all have the same length.
const EXAMPLE_EVENT: EventId = EventId {
    tx_digest: TransactionDigest::new([0; 32]),
    event_seq: 0,
};
