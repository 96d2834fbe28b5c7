//! What is checked of a node: after each boundary, after each start, and at any time.

use node_hook::{Mode, Outcome, SkipReason};
use snapshot_store::naming::ArtifactKind;

use super::artifacts::{self, Present};
use super::failure::Finding;
use super::member::{Member, Stream};
use crate::event::Event;

impl Member<'_> {
    /// Whether the hook's answer is the one there was reason for.
    pub(super) fn judge(
        &self,
        outcome: Outcome,
        event: &Event,
        catching_up: bool,
        latest: Option<u64>,
    ) -> Result<(), Finding> {
        let faults = self.injector.count_struck();
        let skip = if !self.plan.config.blob_info_snapshot.enabled {
            Some(SkipReason::Disabled)
        } else if catching_up {
            Some(SkipReason::CatchingUp)
        } else {
            let latest = latest.filter(|latest| *latest >= event.index);
            latest.map(|latest_handled| SkipReason::Reprocessing {
                latest_handled,
                boundary: event.index,
            })
        };
        let right = match (skip, outcome) {
            (Some(expected), Outcome::Skipped(got)) => expected == got,
            (None, Outcome::Taken) => true,
            (_, Outcome::Failed(_)) => faults > 0,
            _ => false,
        };
        if right {
            return Ok(());
        }
        let expected = skip.map_or_else(
            || "taken it".to_owned(),
            |reason| format!("skipped it because {reason}"),
        );
        Err(Finding::Outcome {
            got: outcome,
            expected,
            faults,
        })
    }

    /// Nothing went wrong, so what must be there is, and nothing else.
    pub(super) fn check_tidy(&self, present: &Present) -> Result<(), Finding> {
        present.require_tidy()?;
        let left = || present.tell();
        if self.mode() == Mode::Snapshot && present.count(ArtifactKind::Checkpoint) > 0 {
            let problem = "the checkpoint is left although its snapshot is there";
            return Err(Finding::Leftovers {
                problem,
                left: left(),
            });
        }
        let kind = match self.mode() {
            Mode::Checkpoint => ArtifactKind::Checkpoint,
            Mode::Snapshot => ArtifactKind::Snapshot,
        };
        match self.last {
            Some((epoch, Outcome::Taken)) if !present.has(kind, epoch) => Err(Finding::Missing {
                missing: format!("the {kind:?} of epoch {epoch}"),
                left: left(),
            }),
            _ => Ok(()),
        }
    }

    /// What holds at any time: what is finished is right, nothing durable is lost, and nothing of
    /// somebody else is touched.
    pub(super) fn compare(&mut self, stream: Stream<'_>) -> Result<Present, Finding> {
        let directory = self.artifacts();
        let present = Present::list(&directory)?;
        let making = |name| self.injector.making(name);
        let history = stream.boundaries;
        self.comparer
            .compare(&directory, &present, history, making)?;
        if let Some(epoch) = self.injector.durable()
            && !present.finished().any(|name| name.epoch >= epoch)
        {
            let left = present.tell();
            return Err(Finding::Lost { epoch, left });
        }
        if self.plan.directory {
            artifacts::check_foreign(&directory)?;
        }
        Ok(present)
    }
}
