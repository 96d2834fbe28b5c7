//! The rows of a benchmark database, each a function of the seed and its number.

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use snapshot_format::{
    BlobId, Epoch, EventId, PerObjectBlobInfo, PerObjectBlobInfoV1, TransactionDigest,
};
use snapshot_store::merge::{ChangeInfo, ChangeType, PerObjectOperand};

use super::{BenchPlan, KeyOrder};

/// 32-bit words of the ChaCha stream that one row takes.
const WORDS_PER_ROW: u128 = 32;

/// The epochs of the registrations: 1 to this.
const LAST_REGISTRATION: u32 = 20;

/// Makes rows.
pub(super) struct Rows {
    rng: ChaCha8Rng,
    rows: u64,
    keys: KeyOrder,
    /// The share of unmerged rows, of 2^32.
    unmerged: u64,
}

/// A row, certified one way or another.
pub(super) struct Row {
    pub(super) key: [u8; 32],
    info: ChangeInfo,
    unmerged: Option<Unmerged>,
}

/// Where the content of an unmerged row is.
#[derive(Clone, Copy)]
enum Unmerged {
    /// Registered in a compacted value, certified by an operand.
    Certification,
    /// All of it in operands.
    All,
}

impl Rows {
    pub(super) fn new(plan: &BenchPlan) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(plan.seed),
            rows: plan.rows,
            keys: plan.keys,
            unmerged: (plan.unmerged_share * 2_f64.powi(32)) as u64,
        }
    }

    /// The row with this number; keys ascend with the numbers.
    pub(super) fn row(&mut self, number: u64) -> Row {
        self.rng.set_word_pos(u128::from(number) * WORDS_PER_ROW);
        let key = self.key(number);
        let blob_id = BlobId::new(self.bytes());
        let tx_digest = TransactionDigest::new(self.bytes());
        let epoch = 1 + self.rng.next_u32() % LAST_REGISTRATION;
        let end_epoch = 1 + LAST_REGISTRATION + self.rng.next_u32() % 40;
        let dice = self.rng.next_u32();
        let unmerged = (u64::from(self.rng.next_u32()) < self.unmerged).then_some({
            if dice & 2 == 0 {
                Unmerged::Certification
            } else {
                Unmerged::All
            }
        });
        let info = ChangeInfo {
            blob_id,
            deletable: dice & 1 == 0,
            epoch: Epoch(epoch),
            end_epoch: Epoch(end_epoch),
            status_event: EventId {
                tx_digest,
                event_seq: u64::from(dice >> 30),
            },
        };
        Row {
            key,
            info,
            unmerged,
        }
    }

    /// The keys divide all 32-byte strings evenly, and each lies somewhere in its part.
    fn key(&mut self, number: u64) -> [u8; 32] {
        let mut key = self.bytes();
        let jitter = u128::from(self.rng.next_u64());
        match self.keys {
            KeyOrder::Random => {
                let start = |number: u128| (number << 64) / u128::from(self.rows.max(1));
                let from = start(number.into());
                let part = start(u128::from(number) + 1) - from;
                // Below 2^64, where the last part ends.
                let head = (from + ((jitter * part) >> 64)) as u64;
                if let Some(bytes) = key.first_chunk_mut() {
                    *bytes = head.to_be_bytes();
                }
            }
            KeyOrder::Sequential => {
                key = [0; 32];
                if let Some(bytes) = key.last_chunk_mut() {
                    *bytes = number.to_be_bytes();
                }
            }
        }
        key
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

impl Row {
    pub(super) const fn event(&self) -> EventId {
        self.info.status_event
    }

    pub(super) const fn is_unmerged(&self) -> bool {
        self.unmerged.is_some()
    }

    /// The value in the compacted files, if it has one.
    pub(super) fn compacted_value(&self) -> Option<Vec<u8>> {
        let certified_epoch = match self.unmerged {
            None => Some(self.info.epoch),
            Some(Unmerged::Certification) => None,
            Some(Unmerged::All) => return None,
        };
        let row = PerObjectBlobInfoV1 {
            blob_id: self.info.blob_id,
            registered_epoch: self.info.epoch,
            certified_epoch,
            end_epoch: self.info.end_epoch,
            deletable: self.info.deletable,
            event: self.info.status_event,
            deleted: false,
        };
        Some(PerObjectBlobInfo::V1(row).encode())
    }

    /// The operands in level 0, the oldest first.
    pub(super) fn operands(&self) -> impl Iterator<Item = PerObjectOperand> {
        let changes: &[ChangeType] = match self.unmerged {
            None => &[],
            Some(Unmerged::Certification) => &[ChangeType::Certify],
            Some(Unmerged::All) => &[ChangeType::Register, ChangeType::Certify],
        };
        let change_info = self.info;
        changes.iter().map(move |&change_type| PerObjectOperand {
            change_type,
            change_info,
        })
    }
}
