//! A small node for a reader to meet, and what a database holds besides the tables of a snapshot.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use reference_node::event::{BlobObject, Event, EventKind};
use reference_node::families::{self, OTHERS, Tuning};
use reference_node::tables::Tables;
use rocksdb::{ColumnFamilyDescriptor, DB, IteratorMode, Options};
use serde_json::{Map, Value, json};
use snapshot_format::{BlobId, Epoch, EventId, ObjectId, TransactionDigest};

/// Objects that are registered by one [`Action::Write`].
const OBJECTS: u8 = 40;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    /// Registers some objects.
    Write,
    /// Flushes all memtables.
    Flush,
    /// Says that it is ready, and waits until its standard input ends or has another byte.
    Wait,
}

/// Opens the database as a node does, does what it is told in this order, and closes it.
///
/// # Errors
///
/// If the database cannot be opened or written to.
pub(crate) fn live(database: &Path, actions: &[Action]) -> Result<()> {
    let mut tables = Tables::open(database, Tuning::default())?;
    for action in actions {
        match action {
            Action::Write => write(&mut tables)?,
            Action::Flush => tables.flush(families::all())?,
            Action::Wait => {
                println!("ready");
                std::io::stdout().flush()?;
                std::io::stdin().read_line(&mut String::new())?;
            }
        }
    }
    Ok(())
}

/// The same objects whenever the database is the same.
fn write(tables: &mut Tables) -> Result<()> {
    let next = tables
        .latest_handled_event_index()
        .map_or(0, |index| index + 1);
    for number in 0..OBJECTS {
        let blob = BlobObject {
            object_id: ObjectId::from([number.wrapping_mul(6) | 1; 32]),
            blob_id: BlobId::from([number; 32]),
            epoch: Epoch(1),
            end_epoch: Epoch(100),
        };
        let id = EventId {
            tx_digest: TransactionDigest::from([number; 32]),
            event_seq: 0,
        };
        tables.apply(&Event {
            index: next + u64::from(number),
            id,
            kind: EventKind::BlobRegistered {
                blob,
                deletable: number % 2 == 0,
            },
        })?;
    }
    Ok(())
}

/// What a database holds besides the tables of a snapshot: of each column family how many rows, a hash
/// of them, and its files with their levels.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn others(database: &Path) -> Result<Value> {
    let options = Options::default();
    let of = |name: &str| ColumnFamilyDescriptor::new(name, Options::default());
    let db = DB::open_cf_descriptors_read_only(&options, database, OTHERS.map(of), false)?;
    let mut files = db.live_files()?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut all = Map::new();
    for name in OTHERS {
        let family = db.cf_handle(name).context("a column family is missing")?;
        let (mut rows, mut hash) = (0, DefaultHasher::new());
        for row in db.iterator_cf(family, IteratorMode::Start) {
            row?.hash(&mut hash);
            rows += 1;
        }
        let files = files.iter().filter(|file| file.column_family_name == name);
        let files: Vec<_> = files
            .map(|file| json!([file.name, file.level, file.size]))
            .collect();
        let hash = format!("{:016x}", hash.finish());
        all.insert(
            name.to_owned(),
            json!({ "rows": rows, "hash": hash, "files": files }),
        );
    }
    Ok(Value::Object(all))
}
