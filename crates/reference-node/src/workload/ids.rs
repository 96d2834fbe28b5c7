//! Identifiers out of serial numbers, so that nothing has to remember 32 bytes per object.

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use snapshot_format::{BlobId, EventId, ObjectId, TransactionDigest};

/// Events that one transaction emits.
const EVENTS_PER_TRANSACTION: u64 = 3;

/// 32-bit words of a ChaCha stream that one identifier takes.
const WORDS_PER_ID: u128 = 8;

/// The identifiers of one seed: the same serial number gives the same identifier at any time.
#[derive(Clone, Debug)]
pub(super) struct Ids {
    objects: ChaCha8Rng,
    blobs: ChaCha8Rng,
    transactions: ChaCha8Rng,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        let stream = |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            // Stream 0 is the one that decides what happens.
            rng.set_stream(number);
            rng
        };
        Self {
            objects: stream(1),
            blobs: stream(2),
            transactions: stream(3),
        }
    }

    /// The ID of an object, a blob object or a pool.
    pub(super) fn object(&mut self, serial: u32) -> ObjectId {
        ObjectId::new(bytes(&mut self.objects, serial.into()))
    }

    pub(super) fn blob(&mut self, serial: u32) -> BlobId {
        BlobId::new(bytes(&mut self.blobs, serial.into()))
    }

    pub(super) fn event(&mut self, index: u64) -> EventId {
        let transaction = index / EVENTS_PER_TRANSACTION;
        EventId {
            tx_digest: TransactionDigest::new(bytes(&mut self.transactions, transaction)),
            event_seq: index % EVENTS_PER_TRANSACTION,
        }
    }
}

fn bytes(rng: &mut ChaCha8Rng, serial: u64) -> [u8; 32] {
    rng.set_word_pos(u128::from(serial) * WORDS_PER_ID);
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
