//! Whether to act at an epoch boundary, and why not: a pure decision.

use snapshot_format::{Epoch, EventId};

/// An epoch boundary as the node's event handler meets it: the event `EpochChangeStart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochBoundary {
    /// The epoch that begins.
    pub epoch: Epoch,
    /// The event's ID.
    pub event_id: EventId,
    /// The event's index in the node's event stream.
    pub event_index: u64,
    /// Whether the node processes events of the past to catch up with the network.
    pub catching_up: bool,
}

/// Why nothing is done at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// The feature is off.
    #[error("blob_info_snapshot.enabled is false")]
    Disabled,
    /// Epoch 0 begins with the network; there is no boundary before it.
    #[error("epoch 0 has no boundary")]
    Genesis,
    /// The node catches up, so its boundary is not the network's present one.
    #[error("the node is catching up")]
    CatchingUp,
    /// Events after the boundary are applied already, so the tables are past it.
    #[error(
        "the event is processed again: event {latest_handled} was handled already, which is not \
         before the boundary's event {boundary}"
    )]
    Reprocessing {
        /// Index of the latest event handled.
        latest_handled: u64,
        /// Index of the boundary's event.
        boundary: u64,
    },
}

/// Decides whether to act at `boundary`. `latest_handled` is the index of the latest event that
/// changed the tables, read before the epoch change is executed.
///
/// # Errors
///
/// The reason to do nothing.
pub fn decide(
    enabled: bool,
    boundary: &EpochBoundary,
    latest_handled: Option<u64>,
) -> Result<(), SkipReason> {
    if !enabled {
        return Err(SkipReason::Disabled);
    }
    if boundary.epoch == Epoch(0) {
        return Err(SkipReason::Genesis);
    }
    if boundary.catching_up {
        return Err(SkipReason::CatchingUp);
    }
    match latest_handled {
        Some(latest_handled) if latest_handled >= boundary.event_index => {
            Err(SkipReason::Reprocessing {
                latest_handled,
                boundary: boundary.event_index,
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot_format::TransactionDigest;

    fn boundary(epoch: u32, event_index: u64) -> EpochBoundary {
        let event_id = EventId {
            tx_digest: TransactionDigest::new([0; 32]),
            event_seq: 0,
        };
        EpochBoundary {
            epoch: Epoch(epoch),
            event_id,
            event_index,
            catching_up: false,
        }
    }

    #[test]
    fn acts_once_and_only_when_everything_is_right() {
        let at_100 = boundary(7, 100);
        assert_eq!(decide(true, &at_100, None), Ok(()));
        assert_eq!(decide(true, &at_100, Some(99)), Ok(()));
        for latest_handled in [100, 101, u64::MAX] {
            assert_eq!(
                decide(true, &at_100, Some(latest_handled)),
                Err(SkipReason::Reprocessing {
                    latest_handled,
                    boundary: 100
                })
            );
        }
        assert_eq!(decide(false, &at_100, None), Err(SkipReason::Disabled));
        assert_eq!(
            decide(true, &boundary(0, 100), None),
            Err(SkipReason::Genesis)
        );
        let behind = EpochBoundary {
            catching_up: true,
            ..at_100
        };
        assert_eq!(decide(true, &behind, Some(99)), Err(SkipReason::CatchingUp));
    }
}
