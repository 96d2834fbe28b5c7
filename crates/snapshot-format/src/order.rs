//! The rule that keys strictly increase within a section: one guard for encoder and decoder.

use crate::id::ObjectId;

/// Watches the keys of one section.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderGuard {
    last: Option<ObjectId>,
}

impl OrderGuard {
    /// Admits `key` if it is above the last one; otherwise says what the last one was.
    #[inline]
    pub(crate) fn admit(&mut self, key: ObjectId) -> Result<(), ObjectId> {
        match self.last {
            Some(last) if !is_below(&last, &key) => Err(last),
            _ => {
                self.last = Some(key);
                Ok(())
            }
        }
    }

    /// The last key admitted.
    pub(crate) const fn last(&self) -> Option<ObjectId> {
        self.last
    }

    /// Goes on as if `last` had been the last key admitted.
    pub(crate) const fn restart(&mut self, last: ObjectId) {
        self.last = Some(last);
    }

    /// Forgets the keys, for the next section.
    pub(crate) fn reset(&mut self) {
        self.last = None;
    }
}

/// Byte order. Object IDs are hashes, so their first bytes nearly always decide; to compare those as
/// one number spares a call per entry.
#[inline]
fn is_below(low: &ObjectId, high: &ObjectId) -> bool {
    let (low_head, high_head) = (head(low), head(high));
    low_head < high_head || (low_head == high_head && low < high)
}

#[inline]
fn head(id: &ObjectId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
