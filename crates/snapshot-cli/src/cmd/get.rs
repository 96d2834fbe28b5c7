//! `get`: rows by object ID, blob ID or storage pool ID.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use snapshot_format::{BlobId, Event, ObjectId, Record, Table};
use snapshot_store::Progress;
use snapshot_store::create::row;
use snapshot_tools::columns::Columns;
use snapshot_tools::fields::OneLine;
use snapshot_tools::filter::{Filter, blob_id, pool_id};

use crate::args::OpenArgs;
use crate::error::{CliError, Unexpected};
use crate::exit::{Exit, with_exit_codes};
use crate::input::Input;
use crate::output::Output;
use crate::rows::FilterArgs;
use crate::source::{Reader, Source, note_unproven, require_whole};

/// Examples for `--help`.
pub(crate) const HELP: &str = with_exit_codes!(
    "A line is a table, the key, and the fields of the row; with --json each row is an object on a\n",
    "line of its own. A blob ID finds every object of the blob, a pool ID the pool and every blob in\n",
    "it. In a database object IDs are looked up at once; all else reads and verifies the whole input.\n",
    "Nothing found is exit 1.\n",
    "\n",
    "Examples:\n",
    "  blob-snapshot get snapshot_epoch_11.bin --object-id 0x<64 hex digits>\n",
    "  blob-snapshot get checkpoint_epoch_11 --blob-id <43 characters of base64>\n",
    "  blob-snapshot get snapshot_epoch_11.bin.zst --pool-id 0x<64 hex digits> --certified no --json"
);

/// Options of `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// A snapshot file, a checkpoint, or the database of a stopped node; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    ids: Ids,
    /// Accept one chunk of several by itself
    #[arg(long)]
    chunk: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    open: OpenArgs,
}

/// What is looked for: rows that match any of these.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Ids {
    /// The row of this object: a blob object or a storage pool; several may be given
    #[arg(long = "object-id", value_name = "0xHEX")]
    objects: Vec<ObjectId>,
    /// Rows of objects that stand for this blob; several may be given
    // URL-safe base64 may begin with a hyphen.
    #[arg(long = "blob-id", value_name = "BLOB_ID", allow_hyphen_values = true)]
    blobs: Vec<BlobId>,
    /// This storage pool and the rows of blobs in it; several may be given
    #[arg(long = "pool-id", value_name = "0xHEX")]
    pools: Vec<ObjectId>,
}

/// What is looked for, and what of it was found.
struct Search<'a> {
    ids: &'a Ids,
    /// Whether one chunk of several is accepted.
    chunk: bool,
    filter: Filter,
    found: BTreeSet<String>,
}

/// Runs the command.
pub(crate) fn run(args: &GetArgs, out: &mut Output) -> Result<Exit, CliError> {
    let source = Source::of(&args.path);
    let mut input = Reader::open_rows(&source, &args.open, out)?;
    note_unproven(&source, input.framing(), out);
    let mut search = Search {
        ids: &args.ids,
        chunk: args.chunk,
        filter: args.filter.filter(&[]),
        found: BTreeSet::new(),
    };
    if !search.seek(&input, out)? {
        search.scan(&mut input, &source, out)?;
    }
    let missing: Vec<String> = search
        .names()
        .filter(|name| !search.found.contains(name))
        .collect();
    if search.found.is_empty() {
        out.refusal(&Unexpected::NotFound {
            name: source.name(),
            what: missing.join(", "),
        });
        return Ok(Exit::No);
    }
    for name in missing {
        out.note(format_args!("no row with {name}"));
    }
    Ok(Exit::Ok)
}

impl Search<'_> {
    /// Looks keys up in a database; false if it takes more than that.
    fn seek(&mut self, input: &Input, out: &mut Output) -> Result<bool, CliError> {
        let keys_only = self.ids.blobs.is_empty() && self.ids.pools.is_empty();
        let Some(database) = input.as_database().filter(|_| keys_only) else {
            return Ok(false);
        };
        for table in Table::ALL {
            for key in &self.ids.objects {
                if let Some(record) = row(database, table, key)? {
                    self.row(*key, &record, out)?;
                }
            }
        }
        Ok(true)
    }

    fn scan(
        &mut self,
        input: &mut Input,
        source: &Source,
        out: &mut Output,
    ) -> Result<(), CliError> {
        // Rows are printed as they are met, so that a pool of any size takes no memory.
        let mut result = Ok(());
        let summary = input.read(&Progress::new(), |event| {
            if let Event::Header(header) = &event {
                result = require_whole(header, &source.name(), self.chunk);
            }
            if let (Event::Entry(entry), Ok(())) = (event, &result)
                // The decoder has validated the value.
                && let Ok(record) = entry.record()
                && !self.matches(&entry.key, &record).is_empty()
            {
                result = self.row(entry.key, &record, out);
            }
        });
        result.and(summary.map(drop))
    }

    fn row(&mut self, key: ObjectId, record: &Record, out: &mut Output) -> Result<(), CliError> {
        if !self.filter.admits(&key, record) {
            return Ok(());
        }
        self.found.extend(self.matches(&key, record));
        out.line(format_args!("{} {key} {}", record.table(), OneLine(record)))?;
        out.record(&Columns::new(key, record))
    }

    /// By which of the IDs a row is found.
    fn matches(&self, key: &ObjectId, record: &Record) -> Vec<String> {
        let blob = blob_id(record).filter(|blob| self.ids.blobs.contains(blob));
        let pool = pool_id(key, record).filter(|pool| self.ids.pools.contains(pool));
        let object = self.ids.objects.contains(key).then_some(key);
        let names = [
            object.map(|id| format!("object ID {id}")),
            blob.map(|id| format!("blob ID {id}")),
            pool.map(|id| format!("pool ID {id}")),
        ];
        names.into_iter().flatten().collect()
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        let objects = self.ids.objects.iter().map(|id| format!("object ID {id}"));
        let blobs = self.ids.blobs.iter().map(|id| format!("blob ID {id}"));
        let pools = self.ids.pools.iter().map(|id| format!("pool ID {id}"));
        objects.chain(blobs).chain(pools)
    }
}
