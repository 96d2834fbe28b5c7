//! What is alive: just enough to make every next event a legal one, in 12 to 16 bytes per object.
//!
//! Nothing here is random and nothing here knows an identifier, only serial numbers.

use super::ids::Ids;
use crate::event::{BlobObject, PooledBlobObject};
use snapshot_format::Epoch;

/// A live blob object that owns its storage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    pub(super) serial: u32,
    pub(super) blob: u32,
    pub(super) end_epoch: u32,
    pub(super) deletable: bool,
}

/// A live blob object in a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pooled {
    pub(super) serial: u32,
    pub(super) blob: u32,
    pub(super) pool: u32,
}

/// A live storage pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pool {
    pub(super) serial: u32,
    pub(super) end_epoch: u32,
    /// Live objects in it.
    pub(super) objects: u64,
}

impl Owned {
    pub(super) fn object(self, ids: &mut Ids, epoch: u32) -> BlobObject {
        BlobObject {
            object_id: ids.object(self.serial),
            blob_id: ids.blob(self.blob),
            epoch: Epoch(epoch),
            end_epoch: Epoch(self.end_epoch),
        }
    }
}

impl Pooled {
    pub(super) fn object(self, ids: &mut Ids, epoch: u32) -> PooledBlobObject {
        PooledBlobObject {
            object_id: ids.object(self.serial),
            blob_id: ids.blob(self.blob),
            epoch: Epoch(epoch),
            storage_pool_id: ids.object(self.pool),
        }
    }
}

/// Live objects of one kind, apart by whether they are certified.
#[derive(Clone, Debug)]
pub(super) struct Objects<T> {
    pub(super) registered: Vec<T>,
    pub(super) certified: Vec<T>,
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self {
            registered: Vec::new(),
            certified: Vec::new(),
        }
    }
}

impl<T: Copy> Objects<T> {
    pub(super) const fn len(&self) -> usize {
        self.registered.len() + self.certified.len()
    }

    /// The object at `place`, counted over both lists.
    pub(super) fn get(&self, place: usize) -> Option<T> {
        self.registered
            .get(place)
            .or_else(|| {
                self.certified
                    .get(place.checked_sub(self.registered.len())?)
            })
            .copied()
    }

    /// Removes the object at `place`, and says whether it was certified.
    pub(super) fn remove(&mut self, place: usize) -> Option<(T, bool)> {
        if place < self.registered.len() {
            return Some((self.registered.swap_remove(place), false));
        }
        let place = place - self.registered.len();
        (place < self.certified.len()).then(|| (self.certified.swap_remove(place), true))
    }

    /// Makes the registered object at `place` a certified one.
    pub(super) fn certify(&mut self, place: usize) -> Option<T> {
        if place >= self.registered.len() {
            return None;
        }
        let object = self.registered.swap_remove(place);
        self.certified.push(object);
        Some(object)
    }

    fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.registered.retain(&mut keep);
        self.certified.retain(&mut keep);
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.registered.iter().chain(&self.certified)
    }
}

/// Everything that is alive.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    pub(super) owned: Objects<Owned>,
    pub(super) pooled: Objects<Pooled>,
    /// In the order of their serial numbers, so that one is found without an index.
    pub(super) pools: Vec<Pool>,
}

impl Live {
    /// How many rows the three tables have.
    pub(super) const fn rows(&self) -> usize {
        self.owned.len() + self.pooled.len() + self.pools.len()
    }

    pub(super) fn pool_mut(&mut self, serial: u32) -> Option<&mut Pool> {
        let place = self
            .pools
            .binary_search_by_key(&serial, |pool| pool.serial)
            .ok()?;
        self.pools.get_mut(place)
    }

    /// Drops what ends with the beginning of `epoch`, in the order of garbage collection.
    pub(super) fn expire(&mut self, epoch: u32) {
        self.pools.retain(|pool| pool.end_epoch > epoch);
        self.owned.retain(|object| object.end_epoch > epoch);
        let pools = &self.pools;
        self.pooled.retain(|object| {
            pools
                .binary_search_by_key(&object.pool, |pool| pool.serial)
                .is_ok()
        });
    }

    /// How many rows would be left if `epoch` began now.
    pub(super) fn surviving(&self, epoch: u32) -> u64 {
        let owned = self
            .owned
            .iter()
            .filter(|object| object.end_epoch > epoch)
            .count();
        let pools = self.pools.iter().filter(|pool| pool.end_epoch > epoch);
        owned as u64 + pools.map(|pool| pool.objects + 1).sum::<u64>()
    }
}
