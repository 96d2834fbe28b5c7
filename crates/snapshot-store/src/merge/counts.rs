//! The counts of an `aggregate_blob_info` row, and what events about objects with their own storage do
//! to them (`docs/tables.md`, "Merge operands").
//!
//! Both versions of a row go through here, so that they cannot drift apart. Pooled objects, which only
//! version 2 counts, are the business of `aggregate`.

use std::num::NonZeroU32;

use snapshot_format::Epoch;

use super::{ApplyError, ChangeInfo, ChangeType};
use crate::aggregate::{PermanentBlobInfo, ValidBlobInfoV1, ValidBlobInfoV2};

/// What both versions of a row have, and where they differ in what happens to it.
pub(super) struct Counts<'a> {
    pub(super) is_metadata_stored: &'a mut bool,
    deletable_total: &'a mut u32,
    deletable_certified: &'a mut u32,
    permanent_total: &'a mut Option<PermanentBlobInfo>,
    permanent_certified: &'a mut Option<PermanentBlobInfo>,
    initial_certified_epoch: &'a mut Option<Epoch>,
    /// The latest end epochs seen, over all and over the certified deletable objects: only in V1.
    latest_seen: Option<[&'a mut Option<Epoch>; 2]>,
    /// Certified objects in pools: only in V2.
    pooled_certified: u32,
}

impl<'a> Counts<'a> {
    pub(super) fn of_v1(row: &'a mut ValidBlobInfoV1) -> Self {
        Self {
            is_metadata_stored: &mut row.is_metadata_stored,
            deletable_total: &mut row.count_deletable_total,
            deletable_certified: &mut row.count_deletable_certified,
            permanent_total: &mut row.permanent_total,
            permanent_certified: &mut row.permanent_certified,
            initial_certified_epoch: &mut row.initial_certified_epoch,
            latest_seen: Some([
                &mut row.latest_seen_deletable_registered_end_epoch,
                &mut row.latest_seen_deletable_certified_end_epoch,
            ]),
            pooled_certified: 0,
        }
    }

    pub(super) fn of_v2(row: &'a mut ValidBlobInfoV2) -> Self {
        Self {
            is_metadata_stored: &mut row.is_metadata_stored,
            deletable_total: &mut row.count_deletable_total,
            deletable_certified: &mut row.count_deletable_certified,
            permanent_total: &mut row.permanent_total,
            permanent_certified: &mut row.permanent_certified,
            initial_certified_epoch: &mut row.initial_certified_epoch,
            latest_seen: None,
            pooled_certified: row.count_pooled_refs_certified,
        }
    }

    pub(super) fn change(
        &mut self,
        change: ChangeType,
        info: &ChangeInfo,
        was_certified: bool,
    ) -> Result<(), ApplyError> {
        match change {
            ChangeType::Register => self.register(info)?,
            ChangeType::Certify => {
                if self.certify(info)? {
                    self.set_certified(info.epoch, was_certified);
                }
            }
            ChangeType::Extend => self.extend(info),
            ChangeType::Delete { was_certified } if info.deletable => {
                self.remove_deletable(was_certified);
            }
            // A permanent object cannot be deleted.
            ChangeType::Delete { .. } => {}
        }
        Ok(())
    }

    pub(super) fn register(&mut self, info: &ChangeInfo) -> Result<(), ApplyError> {
        if !info.deletable {
            return add(self.permanent_total, info, "permanent_total.count");
        }
        increment(self.deletable_total, "count_deletable_total")?;
        if let Some([registered, _]) = &mut self.latest_seen {
            raise(registered, info.end_epoch);
        }
        Ok(())
    }

    /// Returns whether there was an object to certify.
    fn certify(&mut self, info: &ChangeInfo) -> Result<bool, ApplyError> {
        if info.deletable {
            if *self.deletable_total <= *self.deletable_certified {
                return Ok(false);
            }
            increment(self.deletable_certified, "count_deletable_certified")?;
            if let Some([_, certified]) = &mut self.latest_seen {
                raise(certified, info.end_epoch);
            }
        } else {
            let certified = self
                .permanent_certified
                .map_or(0, |permanent| permanent.count.get());
            let fits = self.permanent_total.is_some_and(|total| {
                info.end_epoch <= total.end_epoch && certified < total.count.get()
            });
            if !fits {
                return Ok(false);
            }
            add(self.permanent_certified, info, "permanent_certified.count")?;
        }
        Ok(true)
    }

    fn extend(&mut self, info: &ChangeInfo) {
        if info.deletable {
            for end_epoch in self.latest_seen.iter_mut().flatten() {
                raise(end_epoch, info.end_epoch);
            }
        } else {
            let both = [&mut *self.permanent_total, &mut *self.permanent_certified];
            for permanent in both.into_iter().flatten() {
                prolong(permanent, info);
            }
        }
    }

    pub(super) fn remove_deletable(&mut self, was_certified: bool) {
        let [registered, certified] = match &mut self.latest_seen {
            Some([registered, certified]) => [Some(&mut **registered), Some(&mut **certified)],
            None => [None, None],
        };
        remove(self.deletable_total, registered);
        if was_certified {
            remove(self.deletable_certified, certified);
        }
        self.unset_certified();
    }

    pub(super) fn remove_permanent(&mut self, was_certified: bool) {
        subtract(self.permanent_total);
        if was_certified {
            subtract(self.permanent_certified);
        }
        self.unset_certified();
    }

    /// After a certification: the blob is certified since then, unless it was before.
    pub(super) fn set_certified(&mut self, epoch: Epoch, was_certified: bool) {
        if !was_certified
            || self
                .initial_certified_epoch
                .is_none_or(|since| since > epoch)
        {
            *self.initial_certified_epoch = Some(epoch);
        }
    }

    /// After a removal: without any certified object the blob is not certified.
    pub(super) fn unset_certified(&mut self) {
        if *self.deletable_certified == 0
            && self.permanent_certified.is_none()
            && self.pooled_certified == 0
        {
            *self.initial_certified_epoch = None;
        }
    }
}

/// One more.
///
/// # Errors
///
/// If the count is as high as it can be; `field` is its name.
pub(super) fn increment(count: &mut u32, field: &'static str) -> Result<(), ApplyError> {
    *count = count.checked_add(1).ok_or(ApplyError::Overflow { field })?;
    Ok(())
}

/// One less; a count that is already 0 stays 0, as in a node.
pub(super) fn decrement(count: &mut u32) {
    *count = count.saturating_sub(1);
}

fn raise(end_epoch: &mut Option<Epoch>, seen: Epoch) {
    // `None` is below every epoch.
    *end_epoch = (*end_epoch).max(Some(seen));
}

fn remove(count: &mut u32, latest_seen: Option<&mut Option<Epoch>>) {
    decrement(count);
    if let (0, Some(latest_seen)) = (*count, latest_seen) {
        *latest_seen = None;
    }
}

/// Counts one more permanent object.
fn add(
    permanent: &mut Option<PermanentBlobInfo>,
    info: &ChangeInfo,
    field: &'static str,
) -> Result<(), ApplyError> {
    match permanent {
        Some(permanent) => {
            permanent.count = permanent
                .count
                .checked_add(1)
                .ok_or(ApplyError::Overflow { field })?;
            prolong(permanent, info);
        }
        None => {
            *permanent = Some(PermanentBlobInfo {
                count: NonZeroU32::MIN,
                end_epoch: info.end_epoch,
                event: info.status_event,
            });
        }
    }
    Ok(())
}

/// Keeps the latest end epoch, and of several events that brought it the first.
fn prolong(permanent: &mut PermanentBlobInfo, info: &ChangeInfo) {
    if info.end_epoch > permanent.end_epoch {
        permanent.end_epoch = info.end_epoch;
        permanent.event = info.status_event;
    }
}

/// Counts one permanent object less.
fn subtract(permanent: &mut Option<PermanentBlobInfo>) {
    *permanent = permanent.and_then(|permanent| {
        let count = NonZeroU32::new(permanent.count.get() - 1)?;
        Some(PermanentBlobInfo { count, ..permanent })
    });
}
