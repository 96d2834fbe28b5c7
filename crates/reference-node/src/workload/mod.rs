//! A random but valid stream of events: the same for the same seed, on any machine.
//!
//! The generator knows what is alive, so every event is one that the network could have seen: nothing
//! is certified twice, extended after its end, deleted if permanent, or put into a dead pool. It knows
//! no table and no node.

mod ids;
mod live;
mod mix;

use std::collections::HashSet;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use snapshot_format::Epoch;

use crate::event::{Event, EventKind};
use ids::Ids;
use live::{Live, Owned, Pool, Pooled};
pub use mix::Mix;
use mix::Operation;

/// The epoch in which a stream begins.
pub const FIRST_EPOCH: Epoch = Epoch(1);

/// How often a fitting object is looked for before something else happens instead.
const ATTEMPTS: usize = 8;

/// A stream of events without end. Memory is about 16 bytes per live object.
///
/// The caller decides when an epoch ends: [`next_event`](Self::next_event) stays within the epoch,
/// [`begin_epoch`](Self::begin_epoch) begins the next one.
#[derive(Clone, Debug)]
pub struct Workload {
    rng: ChaCha8Rng,
    ids: Ids,
    mix: Mix,
    live: Live,
    /// Serial numbers of the blob IDs marked invalid.
    invalid: HashSet<u32>,
    epoch: u32,
    next_index: u64,
    next_object: u32,
    next_blob: u32,
    surviving: u64,
}

impl Workload {
    /// A stream that begins with event 0 in [`FIRST_EPOCH`].
    #[must_use]
    pub fn new(seed: u64, mix: Mix) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            ids: Ids::new(seed),
            mix,
            live: Live::default(),
            invalid: HashSet::new(),
            epoch: FIRST_EPOCH.0,
            next_index: 0,
            next_object: 0,
            next_blob: 0,
            surviving: 0,
        }
    }

    /// The current epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// How many events there were so far, which is the index of the next one.
    #[must_use]
    pub const fn next_index(&self) -> u64 {
        self.next_index
    }

    /// How many rows the three tables of a node have that has followed the stream so far.
    #[must_use]
    pub const fn live_rows(&self) -> u64 {
        self.live.rows() as u64
    }

    /// How many of them would be left by the garbage collection of an epoch that begins now.
    #[must_use]
    pub const fn surviving_rows(&self) -> u64 {
        self.surviving
    }

    /// The next event within the epoch.
    pub fn next_event(&mut self) -> Event {
        let point = self.rng.random_range(0..self.mix.total_weight().max(1));
        let kind = match self.mix.operation(point) {
            Operation::Register => None,
            Operation::Certify => self.certify(),
            Operation::Extend => self.extend(),
            Operation::Delete => self.delete(),
            Operation::Invalidate => self.invalidate(),
            Operation::RegisterPooled => {
                Some(self.register_pooled().unwrap_or_else(|| self.create_pool()))
            }
            Operation::CertifyPooled => self.certify_pooled(),
            Operation::DeletePooled => self.delete_pooled(),
            Operation::CreatePool => Some(self.create_pool()),
            Operation::ExtendPool => self.extend_pool(),
        };
        let kind = kind.unwrap_or_else(|| self.register());
        self.event(kind)
    }

    /// Ends the epoch: the event that begins the next one.
    pub fn begin_epoch(&mut self) -> Event {
        self.epoch += 1;
        self.live.expire(self.epoch);
        self.surviving = self.live.surviving(self.epoch + 1);
        self.event(EventKind::EpochChangeStart {
            epoch: self.epoch(),
        })
    }

    fn event(&mut self, kind: EventKind) -> Event {
        let index = self.next_index;
        self.next_index += 1;
        Event {
            index,
            id: self.ids.event(index),
            kind,
        }
    }

    fn register(&mut self) -> EventKind {
        let object = Owned {
            serial: self.new_object(),
            blob: self.blob_to_register(),
            end_epoch: self.new_end_epoch(),
            deletable: self.percent(self.mix.deletable_percent),
        };
        self.live.owned.registered.push(object);
        self.surviving += u64::from(self.survives(object.end_epoch));
        EventKind::BlobRegistered {
            blob: object.object(&mut self.ids, self.epoch),
            deletable: object.deletable,
        }
    }

    fn certify(&mut self) -> Option<EventKind> {
        let place = self.place_in(self.live.owned.registered.len())?;
        let object = self.live.owned.certify(place)?;
        Some(EventKind::BlobCertified {
            blob: object.object(&mut self.ids, self.epoch),
            deletable: object.deletable,
            is_extension: false,
        })
    }

    fn extend(&mut self) -> Option<EventKind> {
        let place = self.place_in(self.live.owned.certified.len())?;
        let more = self.rng.random_range(1..=self.mix.max_extension.max(1));
        let object = self.live.owned.certified.get_mut(place)?;
        let old_end = object.end_epoch;
        object.end_epoch = old_end.saturating_add(more);
        let object = *object;
        self.surviving += u64::from(!self.survives(old_end) && self.survives(object.end_epoch));
        Some(EventKind::BlobCertified {
            blob: object.object(&mut self.ids, self.epoch),
            deletable: object.deletable,
            is_extension: true,
        })
    }

    fn delete(&mut self) -> Option<EventKind> {
        let place = (0..ATTEMPTS).find_map(|_| {
            let place = self.place_in(self.live.owned.len())?;
            self.live.owned.get(place)?.deletable.then_some(place)
        })?;
        let (object, was_certified) = self.live.owned.remove(place)?;
        self.surviving -= u64::from(self.survives(object.end_epoch));
        let blob = object.object(&mut self.ids, self.epoch);
        Some(EventKind::BlobDeleted {
            blob,
            was_certified,
        })
    }

    fn invalidate(&mut self) -> Option<EventKind> {
        let blob = self.live_blob()?;
        self.invalid.insert(blob).then(|| EventKind::InvalidBlobId {
            blob_id: self.ids.blob(blob),
            epoch: self.epoch(),
        })
    }

    fn register_pooled(&mut self) -> Option<EventKind> {
        let place = self.place_in(self.live.pools.len())?;
        let pool = self.live.pools.get_mut(place)?;
        pool.objects += 1;
        let pool = *pool;
        let object = Pooled {
            serial: self.new_object(),
            blob: self.blob_to_register(),
            pool: pool.serial,
        };
        self.live.pooled.registered.push(object);
        self.surviving += u64::from(self.survives(pool.end_epoch));
        Some(EventKind::PooledBlobRegistered {
            blob: object.object(&mut self.ids, self.epoch),
        })
    }

    fn certify_pooled(&mut self) -> Option<EventKind> {
        let place = self.place_in(self.live.pooled.registered.len())?;
        let object = self.live.pooled.certify(place)?;
        Some(EventKind::PooledBlobCertified {
            blob: object.object(&mut self.ids, self.epoch),
        })
    }

    fn delete_pooled(&mut self) -> Option<EventKind> {
        let place = self.place_in(self.live.pooled.len())?;
        let (object, was_certified) = self.live.pooled.remove(place)?;
        let pool = self.live.pool_mut(object.pool)?;
        pool.objects -= 1;
        let pool = *pool;
        self.surviving -= u64::from(self.survives(pool.end_epoch));
        let blob = object.object(&mut self.ids, self.epoch);
        Some(EventKind::PooledBlobDeleted {
            blob,
            was_certified,
        })
    }

    fn create_pool(&mut self) -> EventKind {
        let pool = Pool {
            serial: self.new_object(),
            end_epoch: self.new_end_epoch(),
            objects: 0,
        };
        self.live.pools.push(pool);
        self.surviving += u64::from(self.survives(pool.end_epoch));
        EventKind::StoragePoolCreated {
            storage_pool_id: self.ids.object(pool.serial),
            start_epoch: self.epoch(),
            end_epoch: Epoch(pool.end_epoch),
        }
    }

    fn extend_pool(&mut self) -> Option<EventKind> {
        let place = self.place_in(self.live.pools.len())?;
        let more = self.rng.random_range(1..=self.mix.max_extension.max(1));
        let pool = self.live.pools.get_mut(place)?;
        let old_end = pool.end_epoch;
        pool.end_epoch = old_end.saturating_add(more);
        let pool = *pool;
        if !self.survives(old_end) && self.survives(pool.end_epoch) {
            self.surviving += pool.objects + 1;
        }
        Some(EventKind::StoragePoolExtended {
            storage_pool_id: self.ids.object(pool.serial),
            end_epoch: Epoch(pool.end_epoch),
        })
    }

    /// Whether what ends with `end_epoch` outlives the next garbage collection.
    const fn survives(&self, end_epoch: u32) -> bool {
        end_epoch > self.epoch + 1
    }

    fn percent(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn new_end_epoch(&mut self) -> u32 {
        self.epoch
            .saturating_add(self.rng.random_range(1..=self.mix.max_lifetime.max(1)))
    }

    fn new_object(&mut self) -> u32 {
        let serial = self.next_object;
        self.next_object += 1;
        serial
    }

    /// A new blob, or one that a live object stands for and that is not invalid.
    fn blob_to_register(&mut self) -> u32 {
        if self.percent(self.mix.known_blob_percent)
            && let Some(blob) = self.live_blob()
            && !self.invalid.contains(&blob)
        {
            return blob;
        }
        let blob = self.next_blob;
        self.next_blob += 1;
        blob
    }

    /// The blob of some live object.
    fn live_blob(&mut self) -> Option<u32> {
        let place = self.place_in(self.live.owned.len() + self.live.pooled.len())?;
        match place.checked_sub(self.live.owned.len()) {
            None => self.live.owned.get(place).map(|object| object.blob),
            Some(place) => self.live.pooled.get(place).map(|object| object.blob),
        }
    }

    /// A random place in a list of `len` elements, if it has any.
    ///
    /// Drawn as a u64, because `usize` would make the stream depend on the machine.
    fn place_in(&mut self, len: usize) -> Option<usize> {
        let len = u64::try_from(len).ok().filter(|&len| len > 0)?;
        usize::try_from(self.rng.random_range(0..len)).ok()
    }
}
