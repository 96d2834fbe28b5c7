//! A stream of events by its seed, and what every honest node must have at its boundaries: for those
//! who run nodes themselves, in processes of their own.

use std::path::Path;

use node_hook::DIRECTORY;
use snapshot_format::Epoch;
use snapshot_store::naming::ArtifactName;

use super::artifacts::{Comparer, Present};
use super::failure::Finding;
use super::model::{Expected, Model};
use super::plan::MIX;
use crate::event::{Event, EventKind};
use crate::workload::Workload;

/// A stream of events like those of the simulated clusters, in epochs of equal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventStream {
    /// Decides the events.
    pub seed: u64,
    /// Epochs, each of which ends with the beginning of the next.
    pub epochs: u32,
    /// Events of an epoch before the one that ends it.
    pub events_per_epoch: u64,
}

impl EventStream {
    /// The events, from the first. More epochs only add to them.
    pub fn events(self) -> impl Iterator<Item = Event> {
        let mut workload = Workload::new(self.seed, MIX);
        let (mut epochs, mut events) = (0, 0);
        std::iter::from_fn(move || {
            if epochs == self.epochs {
                None
            } else if events < self.events_per_epoch {
                events += 1;
                Some(workload.next_event())
            } else {
                (epochs, events) = (epochs + 1, 0);
                Some(workload.begin_epoch())
            }
        })
    }
}

/// Knows what every honest node must have at the boundaries of a stream.
#[derive(Debug)]
pub struct Oracle {
    boundaries: Vec<(Event, Expected)>,
}

impl Oracle {
    /// Lives through the stream, without a node.
    ///
    /// # Errors
    ///
    /// If a row cannot be encoded, which no stream gives cause for.
    pub fn new(stream: EventStream) -> Result<Self, Finding> {
        let (mut model, mut boundaries) = (Model::default(), Vec::new());
        for event in stream.events() {
            if let EventKind::EpochChangeStart { epoch } = event.kind {
                let expected = model.begin_epoch(epoch, &event);
                let expected = expected.map_err(|error| Finding::Rig(error.to_string()))?;
                boundaries.push((event, expected));
            } else {
                model.apply(&event);
            }
        }
        Ok(Self { boundaries })
    }

    /// The epoch that the last boundary begins, if there is one.
    #[must_use]
    pub fn last_epoch(&self) -> Option<Epoch> {
        self.boundaries.last().map(|(_, expected)| expected.epoch)
    }

    /// Checks what a node has in its storage directory `storage` while it does nothing: every checkpoint
    /// and snapshot is what it must be, byte for byte in both framings, nothing is unfinished, and there
    /// is at most one of each. Returns what is there.
    ///
    /// # Errors
    ///
    /// The first thing that is not so.
    pub fn check(&self, storage: &Path) -> Result<Vec<ArtifactName>, Finding> {
        let directory = storage.join(DIRECTORY);
        let present = Present::list(&directory)?;
        present.require_tidy()?;
        Comparer::default().compare(&directory, &present, &self.boundaries, |_| 0)?;
        Ok(present.names)
    }
}
