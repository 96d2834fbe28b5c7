//! How often each operation happens.

/// What happens next in a workload; not always possible, in which case something else happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Register,
    Certify,
    Extend,
    Delete,
    Invalidate,
    RegisterPooled,
    CertifyPooled,
    DeletePooled,
    CreatePool,
    ExtendPool,
}

/// The mix of a [`super::Workload`]: relative weights of the operations, and ranges.
///
/// An operation that is impossible at the moment (nothing to delete) gives way to a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Weight of registering an object that owns its storage.
    pub register: u32,
    /// Weight of certifying one.
    pub certify: u32,
    /// Weight of extending a certified one.
    pub extend: u32,
    /// Weight of deleting a deletable one.
    pub delete: u32,
    /// Weight of marking the blob ID of a live object invalid.
    pub invalidate: u32,
    /// Weight of registering an object in a pool.
    pub register_pooled: u32,
    /// Weight of certifying one.
    pub certify_pooled: u32,
    /// Weight of deleting one.
    pub delete_pooled: u32,
    /// Weight of creating a pool.
    pub create_pool: u32,
    /// Weight of extending a pool.
    pub extend_pool: u32,
    /// Of 100 registrations, how many are of a deletable object.
    pub deletable_percent: u32,
    /// Of 100 registrations, how many are of a blob that a live object stands for already.
    pub known_blob_percent: u32,
    /// Most epochs from a registration, or the creation of a pool, to its end. At least 1.
    pub max_lifetime: u32,
    /// Most epochs that one extension adds. At least 1.
    pub max_extension: u32,
}

impl Default for Mix {
    /// Two thirds of the objects own their storage, nine in ten get certified, and the live set
    /// grows by about one in three events.
    fn default() -> Self {
        Self {
            register: 330,
            certify: 290,
            extend: 60,
            delete: 70,
            invalidate: 2,
            register_pooled: 120,
            certify_pooled: 100,
            delete_pooled: 25,
            create_pool: 7,
            extend_pool: 7,
            deletable_percent: 50,
            known_blob_percent: 25,
            max_lifetime: 8,
            max_extension: 5,
        }
    }
}

impl Mix {
    const fn weights(&self) -> [(Operation, u32); 10] {
        [
            (Operation::Register, self.register),
            (Operation::Certify, self.certify),
            (Operation::Extend, self.extend),
            (Operation::Delete, self.delete),
            (Operation::Invalidate, self.invalidate),
            (Operation::RegisterPooled, self.register_pooled),
            (Operation::CertifyPooled, self.certify_pooled),
            (Operation::DeletePooled, self.delete_pooled),
            (Operation::CreatePool, self.create_pool),
            (Operation::ExtendPool, self.extend_pool),
        ]
    }

    /// The sum of all weights.
    pub(super) fn total_weight(&self) -> u64 {
        self.weights()
            .iter()
            .map(|&(_, weight)| u64::from(weight))
            .sum()
    }

    /// The operation at `point` of the line on which each operation is as long as its weight.
    pub(super) fn operation(&self, mut point: u64) -> Operation {
        for (operation, weight) in self.weights() {
            match point.checked_sub(weight.into()) {
                Some(rest) => point = rest,
                None => return operation,
            }
        }
        Operation::Register
    }
}
