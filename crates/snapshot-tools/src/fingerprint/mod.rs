//! Fingerprints: small documents by which nodes find out where their snapshots differ
//! (`docs/fingerprint.md`).
//!
//! `tree` owns what is hashed into a `digest`, `prefix` names ranges of keys, `document` is the document as JSON and refuses
//! what contradicts itself. [`Fingerprinter`] takes in a snapshot's rows, in either framing's order.

mod digest;
mod document;
mod prefix;
mod tree;

pub use digest::{PartDigest, RangeDigest, RowDigest, ShortDigest};
pub use document::{
    Digests, DocumentError, Fingerprint, InputKind, MAX_DOCUMENT, Part, RangePrint, TablePrint,
    VERSION,
};
pub use prefix::{ParsePrefixError, Prefix};
pub use tree::{Content, MOST_KEYS, RowPrint, SubRange, content, range, row};
pub(crate) use tree::{put_row, range_hasher};

use snapshot_format::{Event, Header, PerTable, Table};

use tree::TableTree;

/// What a fingerprint looks at closely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Focus {
    /// All keys of all tables.
    #[default]
    All,
    /// Keys of one table that begin with a prefix.
    Range(Table, Prefix),
}

impl Focus {
    /// Which keys of `table` are looked at.
    #[must_use]
    pub fn of(&self, table: Table) -> Option<Prefix> {
        match self {
            Self::All => Some(Prefix::EMPTY),
            Self::Range(of, prefix) => (*of == table).then_some(*prefix),
        }
    }
}

/// Takes the fingerprint of a snapshot while its events pass, in bounded memory.
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    header: Option<Header>,
    tables: PerTable<TableTree>,
}

/// The digests of a snapshot's rows, without what a document says besides.
#[derive(Clone, Debug)]
pub struct RowPrints {
    /// The header of the snapshot.
    pub header: Option<Header>,
    /// The digest of all rows of all tables.
    pub content: RangeDigest,
    /// What is to be said of each table.
    pub tables: PerTable<TablePrint>,
}

impl Fingerprinter {
    /// A fingerprinter that looks at `focus`.
    #[must_use]
    pub fn new(focus: Focus) -> Self {
        Self {
            header: None,
            tables: PerTable::from_fn(|table| TableTree::new(table, focus.of(table))),
        }
    }

    /// Takes in the next event of a snapshot.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Header(header) => self.header = Some(**header),
            Event::Entry(entry) => self.tables[entry.table].row(&entry.key, entry.value),
            Event::SectionStart(_) | Event::SectionEnd(_) => {}
        }
    }

    /// The digests, once the snapshot has ended.
    #[must_use]
    pub fn finish(self) -> RowPrints {
        let PerTable {
            per_object_blob_info,
            per_object_pooled_blob_info,
            storage_pool_info,
        } = self.tables;
        let tables = PerTable {
            per_object_blob_info: per_object_blob_info.finish(),
            per_object_pooled_blob_info: per_object_pooled_blob_info.finish(),
            storage_pool_info: storage_pool_info.finish(),
        };
        RowPrints {
            header: self.header,
            content: document::content_of(&tables),
            tables,
        }
    }
}
