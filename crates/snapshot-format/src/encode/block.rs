//! A run of entries of one table, framed and validated.

use crate::error::EntryError;
use crate::framing::Framing;
use crate::id::ObjectId;
use crate::limits::KEY_LEN;
use crate::order::OrderGuard;
use crate::record;
use crate::table::Table;

/// Entries of one table in key order, as they stand in a file.
///
/// A block is filled apart from any encoder, on any thread, and handed to
/// [`Encoder::append`](crate::Encoder::append), which checks how blocks join.
#[derive(Clone, Debug)]
pub struct EntryBlock {
    framing: Framing,
    table: Table,
    bytes: Vec<u8>,
    count: u64,
    first: Option<ObjectId>,
    order: OrderGuard,
}

impl EntryBlock {
    /// An empty block of `table` for a snapshot framed as `framing`.
    #[must_use]
    pub fn new(framing: Framing, table: Table) -> Self {
        Self::with_capacity(framing, table, 0)
    }

    /// An empty block with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(framing: Framing, table: Table, capacity: usize) -> Self {
        Self {
            framing,
            table,
            bytes: Vec::with_capacity(capacity),
            count: 0,
            first: None,
            order: OrderGuard::default(),
        }
    }

    /// Appends an entry, validated in place and copied once.
    ///
    /// # Errors
    ///
    /// If the key is not 32 bytes or not above the last one, or the value is not the canonical BCS of
    /// a known variant. The block is then as before.
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), EntryError> {
        let Ok(key) = <&[u8; KEY_LEN]>::try_from(key) else {
            return Err(EntryError::KeyLength {
                table: self.table,
                key: key.to_vec(),
            });
        };
        let id = ObjectId::new(*key);
        record::validate(self.table, value).map_err(|source| EntryError::InvalidValue {
            table: self.table,
            key: id,
            source,
        })?;
        self.order
            .admit(id)
            .map_err(|previous| self.order_error(previous, id))?;
        self.first.get_or_insert(id);
        self.framing.put_entry(&mut self.bytes, key, value);
        self.count += 1;
        Ok(())
    }

    /// Removes all entries and keeps the memory. Keys still have to be above the last one.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.first = None;
    }

    /// Removes all entries and keeps the memory, for entries of `table` from its start or anywhere.
    pub fn reset(&mut self, table: Table) {
        self.clear();
        self.table = table;
        self.order.reset();
    }

    /// Demands that further keys are above `last`, which went another way.
    pub(crate) fn continue_after(&mut self, last: ObjectId) {
        self.order.restart(last);
    }

    /// The framing the block is made for.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// The table the entries belong to.
    #[must_use]
    pub const fn table(&self) -> Table {
        self.table
    }

    /// The entries as they stand in a file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of entries.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first key, if there is any.
    #[must_use]
    pub const fn first_key(&self) -> Option<ObjectId> {
        self.first
    }

    /// The last key, if there is any.
    #[must_use]
    pub const fn last_key(&self) -> Option<ObjectId> {
        if self.is_empty() {
            None
        } else {
            self.order.last()
        }
    }

    pub(crate) const fn order_error(&self, previous: ObjectId, key: ObjectId) -> EntryError {
        EntryError::KeysNotIncreasing {
            table: self.table,
            previous,
            key,
        }
    }
}
