//! The bytes of Walrus blob info snapshots: a pure encoder and decoder.
//!
//! A snapshot holds three tables of a storage node at an epoch boundary, and every honest node must
//! write the same bytes. All that decides about those bytes is in this crate, which does no I/O, has
//! no `unsafe`, reads no clock and starts no thread. `docs/format.md` in the repository owns the byte
//! tables.
//!
//! - [`Encoder`] takes entries in order and hands bytes to a [`Sink`]; [`EntryBlock`]s let threads
//!   prepare entries side by side.
//! - [`Decoder`] takes bytes in slices of any size and hands out borrowed [`Event`]s; it accepts
//!   exactly one byte string for one content.
//! - [`Record`] and its variants are the typed values, [`ObjectId`] and its kin the identifiers.
//!
//! Errors name the section, the byte offset, and what was expected.

#![warn(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic)]

mod chunk;
mod decode;
mod digest;
mod encode;
mod error;
mod framing;
mod header;
mod id;
pub mod limits;
mod location;
mod order;
mod record;
mod size;
mod table;
mod value;
mod wire;

pub use chunk::{ChunkError, ChunkPlan, ChunkSet};
pub use decode::{Decoded, Decoder, Entry, Event, Status};
pub use digest::Digest;
pub use encode::{CountingSink, Encoded, Encoder, EntryBlock, Sink};
pub use error::{DecodeError, EncodeError, EntryError};
pub use framing::Framing;
pub use header::{ChunkPosition, CountedHeader, EventCursor, Header, NotWhole, SealedHeader};
pub use id::{BlobId, Epoch, EventId, ObjectId, ParseIdError, TransactionDigest};
pub use location::{Location, Section};
pub use record::{
    PerObjectBlobInfo, PerObjectBlobInfoV1, PerObjectPooledBlobInfo, PerObjectPooledBlobInfoV1,
    Record, StoragePoolInfo, StoragePoolInfoV1, validate,
};
pub use size::{max_size, size};
pub use table::{PerTable, Table};
pub use value::{Fields, ValueError};
