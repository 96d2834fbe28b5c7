//! The event stream: the same for a seed, and legal at every event by a second, plain account of what
//! is alive.

use std::collections::{BTreeSet, HashMap, HashSet};

use reference_node::event::{Event, EventKind};
use reference_node::workload::{FIRST_EPOCH, Mix, Workload};
use snapshot_format::{BlobId, Epoch, EventId, ObjectId};

use crate::support::stream;

#[test]
fn a_seed_decides_the_stream() {
    let events = stream(7, 4, 500);
    assert_eq!(events, stream(7, 4, 500));
    assert_ne!(events, stream(8, 4, 500));
}

/// What is alive, in the plainest way.
#[derive(Default)]
struct Chain {
    epoch: u32,
    objects: HashMap<ObjectId, Object>,
    pooled: HashMap<ObjectId, Pooled>,
    pools: HashMap<ObjectId, Epoch>,
    invalid: HashSet<BlobId>,
    object_ids: HashSet<ObjectId>,
    event_ids: HashSet<EventId>,
}

struct Object {
    blob_id: BlobId,
    end_epoch: Epoch,
    deletable: bool,
    certified: bool,
}

struct Pooled {
    blob_id: BlobId,
    pool: ObjectId,
    certified: bool,
}

impl Chain {
    fn follow(&mut self, event: &Event) {
        assert!(
            self.event_ids.insert(event.id),
            "event ID used twice: {event:?}"
        );
        let now = Epoch(self.epoch);
        match event.kind {
            EventKind::BlobRegistered { blob, deletable } => {
                assert!(self.object_ids.insert(blob.object_id), "{event:?}");
                assert!(blob.epoch == now && blob.end_epoch > now, "{event:?}");
                assert!(!self.invalid.contains(&blob.blob_id), "{event:?}");
                let (blob_id, end_epoch) = (blob.blob_id, blob.end_epoch);
                let object = Object {
                    blob_id,
                    end_epoch,
                    deletable,
                    certified: false,
                };
                self.objects.insert(blob.object_id, object);
            }
            EventKind::BlobCertified {
                blob,
                deletable,
                is_extension,
            } => {
                let object = self
                    .objects
                    .get_mut(&blob.object_id)
                    .expect("a live object");
                assert_eq!(
                    (object.blob_id, object.deletable),
                    (blob.blob_id, deletable)
                );
                assert_eq!(
                    (blob.epoch, object.certified),
                    (now, is_extension),
                    "{event:?}"
                );
                if is_extension {
                    assert!(blob.end_epoch > object.end_epoch, "{event:?}");
                } else {
                    assert_eq!(blob.end_epoch, object.end_epoch, "{event:?}");
                }
                object.certified = true;
                object.end_epoch = blob.end_epoch;
            }
            EventKind::BlobDeleted {
                blob,
                was_certified,
            } => {
                let object = self.objects.remove(&blob.object_id).expect("a live object");
                assert_eq!(
                    (object.blob_id, object.end_epoch),
                    (blob.blob_id, blob.end_epoch)
                );
                assert_eq!(
                    (blob.epoch, object.certified),
                    (now, was_certified),
                    "{event:?}"
                );
                assert!(object.deletable, "{event:?}");
            }
            EventKind::InvalidBlobId { blob_id, epoch } => {
                assert_eq!(epoch, now);
                assert!(self.invalid.insert(blob_id), "{event:?}");
            }
            EventKind::PooledBlobRegistered { blob } => {
                assert!(self.object_ids.insert(blob.object_id), "{event:?}");
                assert!(self.pools.contains_key(&blob.storage_pool_id), "{event:?}");
                assert!(!self.invalid.contains(&blob.blob_id), "{event:?}");
                let (blob_id, pool) = (blob.blob_id, blob.storage_pool_id);
                self.pooled.insert(
                    blob.object_id,
                    Pooled {
                        blob_id,
                        pool,
                        certified: false,
                    },
                );
            }
            EventKind::PooledBlobCertified { blob } => {
                let object = self.pooled.get_mut(&blob.object_id).expect("a live object");
                assert_eq!(
                    (object.blob_id, object.pool),
                    (blob.blob_id, blob.storage_pool_id)
                );
                assert_eq!((blob.epoch, object.certified), (now, false), "{event:?}");
                object.certified = true;
            }
            EventKind::PooledBlobDeleted {
                blob,
                was_certified,
            } => {
                let object = self.pooled.remove(&blob.object_id).expect("a live object");
                assert_eq!(
                    (object.blob_id, object.pool),
                    (blob.blob_id, blob.storage_pool_id)
                );
                assert_eq!(
                    (blob.epoch, object.certified),
                    (now, was_certified),
                    "{event:?}"
                );
            }
            EventKind::StoragePoolCreated {
                storage_pool_id,
                start_epoch,
                end_epoch,
            } => {
                assert!(self.object_ids.insert(storage_pool_id), "{event:?}");
                assert!(start_epoch == now && end_epoch > now, "{event:?}");
                self.pools.insert(storage_pool_id, end_epoch);
            }
            EventKind::StoragePoolExtended {
                storage_pool_id,
                end_epoch,
            } => {
                let end = self.pools.get_mut(&storage_pool_id).expect("a live pool");
                assert!(end_epoch > *end, "{event:?}");
                *end = end_epoch;
            }
            EventKind::EpochChangeStart { epoch } => {
                assert_eq!(epoch, Epoch(self.epoch + 1));
                self.epoch += 1;
                self.pools.retain(|_, end| *end > epoch);
                self.objects.retain(|_, object| object.end_epoch > epoch);
                let pools = &self.pools;
                self.pooled
                    .retain(|_, object| pools.contains_key(&object.pool));
            }
        }
    }

    fn rows(&self) -> usize {
        self.objects.len() + self.pooled.len() + self.pools.len()
    }
}

/// Follows some epochs of a workload, and returns the kinds of events seen.
fn follow(seed: u64, mix: Mix) -> BTreeSet<&'static str> {
    let mut workload = Workload::new(seed, mix);
    let mut chain = Chain {
        epoch: FIRST_EPOCH.0,
        ..Chain::default()
    };
    let mut seen = BTreeSet::new();
    for round in 0..2000 {
        let begin = round % 250 == 249;
        let survivors = workload.surviving_rows();
        let event = if begin {
            workload.begin_epoch()
        } else {
            workload.next_event()
        };
        assert_eq!(event.index, round);
        chain.follow(&event);
        seen.insert(event.kind.name());
        assert_eq!(workload.live_rows(), chain.rows() as u64, "after {event:?}");
        assert_eq!(workload.epoch(), Epoch(chain.epoch));
        if begin {
            assert_eq!(chain.rows() as u64, survivors, "after {event:?}");
        }
    }
    seen
}

#[test]
fn every_event_is_legal() {
    for seed in 0..20 {
        let seen = follow(seed, Mix::default());
        assert_eq!(seen, BTreeSet::from(EventKind::NAMES), "seed {seed}");
    }
}

#[test]
fn every_event_of_an_odd_mix_is_legal() {
    let nothing = Mix {
        register: 0,
        certify: 0,
        extend: 0,
        delete: 0,
        invalidate: 0,
        register_pooled: 0,
        certify_pooled: 0,
        delete_pooled: 0,
        create_pool: 0,
        extend_pool: 0,
        ..Mix::default()
    };
    let short = Mix {
        max_lifetime: 1,
        max_extension: 1,
        ..Mix::default()
    };
    let churn = Mix {
        register: 10,
        delete: 900,
        delete_pooled: 900,
        ..Mix::default()
    };
    let pooled = Mix {
        register_pooled: 5,
        certify_pooled: 5,
        ..nothing
    };
    let shared = Mix {
        known_blob_percent: 100,
        invalidate: 50,
        ..Mix::default()
    };
    for mix in [nothing, short, churn, pooled, shared] {
        assert!(follow(3, mix).len() > 1, "{mix:?}");
    }
}
