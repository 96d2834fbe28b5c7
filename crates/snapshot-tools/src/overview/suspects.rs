//! Rows that a sound node does not have at a boundary, counted as they pass. Expired and deleted ones are
//! counted with the statistics; what to think of them is for `checks`.

use serde::Serialize;
use snapshot_format::{
    Epoch, EventId, ObjectId, PerObjectBlobInfo, PerObjectPooledBlobInfo, Record, StoragePoolInfo,
    Table, TransactionDigest,
};

/// Rows of a suspicious kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// How many.
    pub rows: u64,
    /// The first of them.
    pub first: Option<(Table, ObjectId)>,
}

/// Rows that should not be there, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Suspects {
    /// An event of the epoch that begins made or certified them.
    pub later: Suspect,
    /// They contradict themselves: certified before they were registered, or ended before they began.
    pub contradictory: Suspect,
    /// The event that they name has an all-zero transaction digest.
    pub no_event: Suspect,
}

impl Suspect {
    fn count(&mut self, table: Table, key: &ObjectId, yes: bool) {
        if yes {
            self.rows += 1;
            self.first.get_or_insert((table, *key));
        }
    }
}

impl Suspects {
    /// Looks at the next row of the snapshot of `epoch`. Where the epoch is not known, which 0 stands for,
    /// nothing is later.
    pub(super) fn row(&mut self, key: &ObjectId, record: &Record, epoch: Epoch) {
        let (begun, certified, end, event) = match record {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => (
                row.registered_epoch,
                row.certified_epoch,
                Some(row.end_epoch),
                Some(row.event),
            ),
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
                let event = Some(row.event);
                (row.registered_epoch, row.certified_epoch, None, event)
            }
            Record::StoragePoolInfo(StoragePoolInfo::V1(row)) => {
                (row.start_epoch, None, Some(row.end_epoch), None)
            }
        };
        let table = record.table();
        let is_later = begun >= epoch || certified.is_some_and(|certified| certified >= epoch);
        self.later.count(table, key, epoch != Epoch(0) && is_later);
        let is_contradictory = certified.is_some_and(|certified| certified < begun)
            || end.is_some_and(|end| end <= begun);
        self.contradictory.count(table, key, is_contradictory);
        self.no_event.count(table, key, event.is_some_and(is_zero));
    }
}

fn is_zero(event: EventId) -> bool {
    event.tx_digest == TransactionDigest::new([0; 32])
}
