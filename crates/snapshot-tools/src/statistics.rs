//! What the rows of a snapshot say as a whole: counts and epoch ranges of each table, in constant
//! memory. Nothing here judges them: see `overview`.

use std::collections::BTreeMap;

use serde::Serialize;
use snapshot_format::{
    Entry, Epoch, Event, Header, PerObjectBlobInfo, PerObjectPooledBlobInfo, PerTable, Record,
    StoragePoolInfo, Table, size,
};

/// Collects statistics from a snapshot's events.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    header: Option<Header>,
    tables: PerTable<TableStatistics>,
    /// Rows by the length of their value, of which there are a few: for sizes in the file.
    value_lens: PerTable<BTreeMap<usize, u64>>,
}

/// What the rows of one table say. A field that the table does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableStatistics {
    /// Rows.
    pub rows: u64,
    /// Bytes of the rows in the file, with what frames them.
    pub bytes: u64,
    /// Rows that are certified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certified: Option<u64>,
    /// Rows that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertified: Option<u64>,
    /// Rows of permanent blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permanent: Option<u64>,
    /// Rows of deletable blobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletable: Option<u64>,
    /// Rows that are marked as deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<u64>,
    /// Rows whose storage has ended by the snapshot's epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<u64>,
    /// Epochs of registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_epoch: Option<EpochRange>,
    /// Epochs of certification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certified_epoch: Option<EpochRange>,
    /// Epochs in which pools start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_epoch: Option<EpochRange>,
    /// Epochs in which storage ends (exclusive).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_epoch: Option<EpochRange>,
}

/// The least and the greatest epoch of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EpochRange {
    /// The least.
    pub min: Epoch,
    /// The greatest.
    pub max: Epoch,
}

impl Statistics {
    /// Takes in the next event of a snapshot.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Header(header) => self.header = Some(**header),
            Event::SectionStart(table) => self.tables[*table].begin(*table),
            Event::Entry(entry) => self.entry(entry),
            Event::SectionEnd(_) => {}
        }
    }

    /// The statistics of each table, once the snapshot has ended.
    #[must_use]
    pub fn finish(mut self) -> PerTable<TableStatistics> {
        if let Some(header) = &self.header {
            let empty = size(header, []);
            for table in Table::ALL {
                let lens = self.value_lens[table].iter();
                self.tables[table].bytes = lens
                    .map(|(len, rows)| (size(header, [*len]) - empty) * rows)
                    .sum();
            }
        }
        self.tables
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let epoch = self.header.map(|header| header.epoch()).unwrap_or_default();
        *self.value_lens[entry.table]
            .entry(entry.value.len())
            .or_default() += 1;
        let statistics = &mut self.tables[entry.table];
        statistics.rows += 1;
        // The decoder has validated the value.
        if let Ok(record) = entry.record() {
            statistics.record(&record, epoch);
        }
    }
}

impl TableStatistics {
    /// Sets to zero what the table has.
    fn begin(&mut self, table: Table) {
        if table != Table::StoragePoolInfo {
            self.certified = Some(0);
            self.uncertified = Some(0);
        }
        if table == Table::PerObjectBlobInfo {
            self.permanent = Some(0);
            self.deletable = Some(0);
            self.deleted = Some(0);
        }
        if table != Table::PerObjectPooledBlobInfo {
            self.expired = Some(0);
        }
    }

    fn record(&mut self, record: &Record, epoch: Epoch) {
        match record {
            Record::PerObjectBlobInfo(PerObjectBlobInfo::V1(row)) => {
                self.registered(row.registered_epoch, row.certified_epoch);
                widen(&mut self.end_epoch, row.end_epoch);
                count(&mut self.expired, row.end_epoch <= epoch);
                count(&mut self.deletable, row.deletable);
                count(&mut self.permanent, !row.deletable);
                count(&mut self.deleted, row.deleted);
            }
            Record::PerObjectPooledBlobInfo(PerObjectPooledBlobInfo::V1(row)) => {
                self.registered(row.registered_epoch, row.certified_epoch);
            }
            Record::StoragePoolInfo(StoragePoolInfo::V1(row)) => {
                widen(&mut self.start_epoch, row.start_epoch);
                widen(&mut self.end_epoch, row.end_epoch);
                count(&mut self.expired, row.end_epoch <= epoch);
            }
        }
    }

    fn registered(&mut self, registered: Epoch, certified: Option<Epoch>) {
        widen(&mut self.registered_epoch, registered);
        count(&mut self.certified, certified.is_some());
        count(&mut self.uncertified, certified.is_none());
        if let Some(certified) = certified {
            widen(&mut self.certified_epoch, certified);
        }
    }
}

fn count(counter: &mut Option<u64>, yes: bool) {
    *counter.get_or_insert(0) += u64::from(yes);
}

fn widen(range: &mut Option<EpochRange>, epoch: Epoch) {
    let range = range.get_or_insert(EpochRange {
        min: epoch,
        max: epoch,
    });
    range.min = range.min.min(epoch);
    range.max = range.max.max(epoch);
}
