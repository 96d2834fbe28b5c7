//! The rules by which a row of `aggregate_blob_info` follows from the objects of its blob ID
//! (`docs/recovery.md`, "What a snapshot does not carry").
//!
//! The order in which objects come does not matter. Where they come from is none of its business.

use std::num::NonZeroU32;

use snapshot_format::{Epoch, ObjectId};

use super::object::{BlobObject, PermanentObject};
use crate::aggregate::{
    BlobInfo, BlobInfoV1, BlobInfoV2, PermanentBlobInfo, ValidBlobInfoV1, ValidBlobInfoV2,
};

/// More objects stand for one blob ID than a node can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{count} objects stand for one blob ID, more than a node can count")]
pub struct TooManyObjects {
    /// How many.
    pub count: u64,
}

/// Counts the objects of one blob ID.
///
/// ```
/// use snapshot_format::Epoch;
/// use snapshot_store::restore::{BlobObject, Tally};
///
/// let mut tally = Tally::default();
/// assert_eq!(tally.row()?, None);
/// tally.add(&BlobObject::Pooled { certified_epoch: Some(Epoch(4)) });
/// assert!(tally.row()?.is_some_and(|row| row.is_certified_at(Epoch(4))));
/// # Ok::<(), snapshot_store::restore::TooManyObjects>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    deletable: Pair<u64>,
    /// The latest end epoch.
    deletable_end: Pair<Option<Epoch>>,
    permanent: Pair<Option<Latest>>,
    pooled: Pair<u64>,
    /// The smallest certified epoch.
    certified_since: Option<Epoch>,
}

/// Something of all objects, and of those that are certified.
#[derive(Clone, Copy, Debug, Default)]
struct Pair<T> {
    total: T,
    certified: T,
}

/// Permanent objects, and the one of them that gives end epoch and event.
#[derive(Clone, Copy, Debug)]
struct Latest {
    count: u64,
    object: PermanentObject,
    /// Another one ends in the same epoch.
    tied: bool,
}

/// What a row of a blob ID and its objects always agree in: of all objects and of the certified ones, each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exact {
    pub(crate) counts: [u64; 4],
    /// Count and end epoch.
    pub(crate) permanent: [Option<(u64, Epoch)>; 2],
}

/// What of a rebuilt row may differ from the row a node has that saw all events. Only what shows in
/// the objects; `docs/recovery.md` says what else there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// The event of `permanent_total`: its object was certified, and only its last event is known.
    pub permanent_total_event: bool,
    /// The event of `permanent_certified`: several objects end together.
    pub permanent_certified_event: bool,
}

impl Exact {
    /// The names of the fields.
    pub(crate) const COUNTS: [&str; 4] = [
        "count_deletable_total",
        "count_deletable_certified",
        "count_pooled_refs_total",
        "count_pooled_refs_certified",
    ];
    pub(crate) const PERMANENT: [&str; 2] = ["permanent_total", "permanent_certified"];

    /// Whether anything is certified.
    pub(crate) const fn any_certified(&self) -> bool {
        let [_, deletable, _, pooled] = self.counts;
        let [_, permanent] = self.permanent;
        deletable > 0 || pooled > 0 || permanent.is_some()
    }
}

impl Tally {
    /// Counts one more object.
    pub fn add(&mut self, object: &BlobObject) {
        let certified_epoch = object.certified_epoch();
        let certified = certified_epoch.is_some();
        match object {
            BlobObject::Deletable { end_epoch, .. } => {
                self.deletable.count(certified);
                self.deletable_end.raise(*end_epoch, certified);
            }
            BlobObject::Permanent(object) => {
                Latest::add(&mut self.permanent.total, object);
                if certified {
                    Latest::add(&mut self.permanent.certified, object);
                }
            }
            BlobObject::Pooled { .. } => self.pooled.count(certified),
        }
        self.certified_since = match (self.certified_since, certified_epoch) {
            (Some(since), Some(epoch)) => Some(since.min(epoch)),
            (since, epoch) => since.or(epoch),
        };
    }

    /// How many objects there are.
    #[must_use]
    pub fn objects(&self) -> u64 {
        let permanent = self.permanent.total.map_or(0, |latest| latest.count);
        self.deletable.total + permanent + self.pooled.total
    }

    /// What a row of the blob ID must say, whatever else it says.
    #[must_use]
    pub(crate) fn exact(&self) -> Exact {
        let permanent =
            |latest: Option<Latest>| latest.map(|latest| (latest.count, latest.object.end_epoch));
        let (deletable, pooled) = (self.deletable, self.pooled);
        Exact {
            counts: [
                deletable.total,
                deletable.certified,
                pooled.total,
                pooled.certified,
            ],
            permanent: [self.permanent.total, self.permanent.certified].map(permanent),
        }
    }

    /// The row; nothing without objects.
    ///
    /// # Errors
    ///
    /// If a count does not fit.
    pub fn row(&self) -> Result<Option<BlobInfo>, TooManyObjects> {
        if self.objects() == 0 {
            return Ok(None);
        }
        let v1 = ValidBlobInfoV1 {
            is_metadata_stored: false,
            count_deletable_total: narrow(self.deletable.total)?,
            count_deletable_certified: narrow(self.deletable.certified)?,
            permanent_total: Latest::info(self.permanent.total)?,
            permanent_certified: Latest::info(self.permanent.certified)?,
            initial_certified_epoch: self.certified_since,
            latest_seen_deletable_registered_end_epoch: self.deletable_end.total,
            latest_seen_deletable_certified_end_epoch: self.deletable_end.certified,
        };
        if self.pooled.total == 0 {
            return Ok(Some(BlobInfo::V1(BlobInfoV1::Valid(v1))));
        }
        let v2 = ValidBlobInfoV2 {
            count_pooled_refs_total: narrow(self.pooled.total)?,
            count_pooled_refs_certified: narrow(self.pooled.certified)?,
            ..v1.into()
        };
        Ok(Some(BlobInfo::V2(BlobInfoV2::Valid(v2))))
    }

    /// What of the row may differ from a node's.
    #[must_use]
    pub fn doubts(&self) -> Doubts {
        Doubts {
            permanent_total_event: self
                .permanent
                .total
                .is_some_and(|latest| latest.object.certified_epoch.is_some()),
            permanent_certified_event: self.permanent.certified.is_some_and(|latest| latest.tied),
        }
    }
}

impl Pair<u64> {
    fn count(&mut self, certified: bool) {
        self.total += 1;
        self.certified += u64::from(certified);
    }
}

impl Pair<Option<Epoch>> {
    fn raise(&mut self, end_epoch: Epoch, certified: bool) {
        // `None` is below every epoch.
        self.total = self.total.max(Some(end_epoch));
        if certified {
            self.certified = self.certified.max(Some(end_epoch));
        }
    }
}

impl Latest {
    fn add(latest: &mut Option<Self>, object: &PermanentObject) {
        let Some(latest) = latest else {
            *latest = Some(Self {
                count: 1,
                object: *object,
                tied: false,
            });
            return;
        };
        latest.count += 1;
        let kept = &latest.object;
        if object.end_epoch == kept.end_epoch {
            latest.tied = true;
            if rank(object) < rank(kept) {
                latest.object = *object;
            }
        } else if object.end_epoch > kept.end_epoch {
            latest.object = *object;
            latest.tied = false;
        }
    }

    fn info(latest: Option<Self>) -> Result<Option<PermanentBlobInfo>, TooManyObjects> {
        let Some(Self { count, object, .. }) = latest else {
            return Ok(None);
        };
        let count = NonZeroU32::new(narrow(count)?);
        Ok(count.map(|count| PermanentBlobInfo {
            count,
            end_epoch: object.end_epoch,
            event: object.event,
        }))
    }
}

/// What decides between objects that end together; the smallest wins.
const fn rank(object: &PermanentObject) -> (Epoch, ObjectId) {
    (object.registered_epoch, object.object_id)
}

fn narrow(count: u64) -> Result<u32, TooManyObjects> {
    u32::try_from(count).map_err(|_| TooManyObjects { count })
}
