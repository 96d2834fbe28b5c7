//! The header of a snapshot made from a database: from the options, and the epoch from the name of the
//! directory (`docs/lifecycle.md`, "Offline serialization of a checkpoint").

use std::path::Path;

use clap::{Args, ValueEnum};
use snapshot_format::{
    BlobId, ChunkPosition, CountedHeader, Epoch, EventCursor, EventId, Framing, Header,
    SealedHeader, TransactionDigest,
};
use snapshot_store::naming::{ArtifactKind, ArtifactName};

use crate::error::UsageError;
use crate::output::{Output, Shown};

/// What goes into the header of a snapshot made from a database.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Header options, for databases")]
pub(crate) struct HeaderArgs {
    /// The framing: the canonical one, or the one nodes write since v1.51 [default: sealed]
    #[arg(long)]
    pub(crate) framing: Option<FramingArg>,
    /// The epoch that begins at the boundary; by default from a directory named checkpoint_epoch_<N>
    #[arg(long, value_name = "N")]
    pub(crate) epoch: Option<Epoch>,
    /// Transaction digest of the event that began the epoch
    #[arg(long, value_name = "BASE58", requires = "event_seq")]
    pub(crate) event_tx_digest: Option<TransactionDigest>,
    /// Sequence number of that event in its transaction
    #[arg(long, value_name = "N", requires = "event_tx_digest")]
    pub(crate) event_seq: Option<u64>,
    /// Index of the next event to process
    #[arg(long, value_name = "N")]
    pub(crate) next_event_index: Option<u64>,
    /// Blob ID of the snapshot before; sealed only
    // URL-safe base64 may begin with a hyphen.
    #[arg(long, value_name = "BLOB_ID", allow_hyphen_values = true)]
    pub(crate) prev_snapshot_blob_id: Option<BlobId>,
}

/// A framing as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FramingArg {
    /// The canonical framing, with its checksum in the file
    Sealed,
    /// What nodes since v1.51 write; needs the event cursor
    Counted,
}

impl From<FramingArg> for Framing {
    fn from(framing: FramingArg) -> Self {
        match framing {
            FramingArg::Sealed => Self::Sealed,
            FramingArg::Counted => Self::Counted,
        }
    }
}

impl HeaderArgs {
    /// Refuses options that contradict each other, before anything is opened.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        self.header(Epoch::default()).map(drop)
    }

    /// Whether any of the options is given.
    pub(crate) const fn is_given(&self) -> bool {
        self.framing.is_some()
            || self.epoch.is_some()
            || self.event_tx_digest.is_some()
            || self.event_seq.is_some()
            || self.next_event_index.is_some()
            || self.prev_snapshot_blob_id.is_some()
    }

    /// The header of a snapshot of the database at `path`; what is doubtful about its epoch is said.
    pub(crate) fn resolve(&self, path: &Path, out: &mut Output) -> Result<Header, UsageError> {
        self.header(self.epoch_of(path, out))
    }

    fn header(&self, epoch: Epoch) -> Result<Header, UsageError> {
        // clap sees to it that the digest and the sequence number come together.
        let event_id = self
            .event_tx_digest
            .zip(self.event_seq)
            .map(|(tx_digest, event_seq)| EventId {
                tx_digest,
                event_seq,
            });
        match self.framing.map_or(Framing::Sealed, Framing::from) {
            Framing::Sealed => self.sealed(epoch, event_id).map(Header::Sealed),
            Framing::Counted => self.counted(epoch, event_id).map(Header::Counted),
        }
    }

    /// The header of the content under `from` in another framing, or with what `from` leaves open; by default in
    /// the framing that `from` does not have.
    pub(crate) fn converted(&self, from: &Header) -> Result<Header, UsageError> {
        let told = self
            .event_tx_digest
            .zip(self.event_seq)
            .map(|(tx_digest, event_seq)| EventId {
                tx_digest,
                event_seq,
            });
        let cursor = from.event_cursor();
        // An index without an event says something too, unless it is the 0 of a snapshot made offline.
        let index = (cursor != EventCursor::default()).then_some(cursor.element_index);
        let previous = match from {
            Header::Sealed(header) if header.prev_snapshot_blob_id != BlobId::ZERO => {
                Some(header.prev_snapshot_blob_id)
            }
            _ => None,
        };
        let event = either("--event-tx-digest", told, cursor.event_id)?;
        let full = Self {
            framing: self.framing.or(Some(match from.framing() {
                Framing::Sealed => FramingArg::Counted,
                Framing::Counted => FramingArg::Sealed,
            })),
            epoch: either("--epoch", self.epoch, Some(from.epoch()))?,
            event_tx_digest: event.map(|event| event.tx_digest),
            event_seq: event.map(|event| event.event_seq),
            next_event_index: either("--next-event-index", self.next_event_index, index)?,
            prev_snapshot_blob_id: None,
        };
        let told = self.prev_snapshot_blob_id;
        let previous = either("--prev-snapshot-blob-id", told, previous)?;
        let converted = full.header(from.epoch())?;
        match converted {
            Header::Sealed(header) => Ok(Header::Sealed(SealedHeader {
                prev_snapshot_blob_id: previous.unwrap_or(BlobId::ZERO),
                ..header
            })),
            Header::Counted(_) if told.is_some() => Err(UsageError::CountedHasNoPrevious),
            counted @ Header::Counted(_) => Ok(counted),
        }
    }

    fn sealed(&self, epoch: Epoch, event_id: Option<EventId>) -> Result<SealedHeader, UsageError> {
        if event_id.is_some() && self.next_event_index.is_none() {
            return Err(UsageError::EventWithoutIndex);
        }
        Ok(SealedHeader {
            epoch,
            event_cursor: EventCursor {
                event_id,
                element_index: self.next_event_index.unwrap_or_default(),
            },
            prev_snapshot_blob_id: self.prev_snapshot_blob_id.unwrap_or(BlobId::ZERO),
            chunk: ChunkPosition::WHOLE,
        })
    }

    fn counted(&self, epoch: Epoch, event: Option<EventId>) -> Result<CountedHeader, UsageError> {
        if self.prev_snapshot_blob_id.is_some() {
            return Err(UsageError::CountedHasNoPrevious);
        }
        let (Some(event_id), Some(next_event_index)) = (event, self.next_event_index) else {
            let options = [
                ("--event-tx-digest", self.event_tx_digest.is_none()),
                ("--event-seq", self.event_seq.is_none()),
                ("--next-event-index", self.next_event_index.is_none()),
            ];
            let missing = options
                .into_iter()
                .filter_map(|(name, is)| is.then_some(name))
                .collect();
            return Err(UsageError::CountedNeedsCursor { missing });
        };
        Ok(CountedHeader {
            epoch,
            event_id,
            next_event_index,
        })
    }

    fn epoch_of(&self, path: &Path, out: &mut Output) -> Epoch {
        let shown = path.display().to_string();
        let shown = Shown(&shown);
        let named = epoch_from_name(path);
        match (self.epoch, named) {
            (Some(told), Some(named)) if told != named => {
                out.warn(format_args!(
                    "--epoch {told} overrides epoch {named} in the name of {shown}"
                ));
                told
            }
            (Some(told), _) => told,
            (None, Some(named)) => named,
            (None, None) => {
                out.warn(format_args!(
                    "the name of {shown} tells no epoch (checkpoint_epoch_<N> would), so the header \
                     says epoch 0; give --epoch for a digest that other nodes have too"
                ));
                Epoch(0)
            }
        }
    }
}

/// What an option or the header says, which must not contradict each other.
fn either<T: PartialEq + std::fmt::Display>(
    option: &'static str,
    told: Option<T>,
    found: Option<T>,
) -> Result<Option<T>, UsageError> {
    match (told, found) {
        (Some(told), Some(found)) if told != found => Err(UsageError::Contradicts {
            option,
            told: told.to_string(),
            found: found.to_string(),
        }),
        (told, found) => Ok(told.or(found)),
    }
}

/// The epoch in the name of a checkpoint: in `path`'s own, else, as `.`, `..` and links have none, in
/// that of the directory it leads to.
fn epoch_from_name(path: &Path) -> Option<Epoch> {
    let epoch = |path: &Path| {
        let name = ArtifactName::parse(path.file_name()?.to_str()?)?;
        (name.kind == ArtifactKind::Checkpoint && !name.unfinished).then_some(name.epoch)
    };
    epoch(path).or_else(|| epoch(&path.canonicalize().ok()?))
}
