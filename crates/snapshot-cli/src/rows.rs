//! Rows that are looked for: the options that say which, and the walk over them.

use clap::{Args, ValueEnum};
use snapshot_format::{Epoch, Event, Header, ObjectId, Record};
use snapshot_store::SnapshotSummary;
use snapshot_tools::filter::Filter;

use crate::args::TableArg;
use crate::error::CliError;
use crate::input::Input;
use crate::output::Output;

/// Which rows.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Row filters, which must all hold")]
pub(crate) struct FilterArgs {
    /// Rows of this table; several may be given
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<TableArg>,
    /// Rows whose end epoch, the first without them, is below this; pooled blobs have none
    #[arg(long, value_name = "EPOCH")]
    expiring_before: Option<Epoch>,
    /// Rows whose end epoch is above this; pooled blobs have none
    #[arg(long, value_name = "EPOCH")]
    expiring_after: Option<Epoch>,
    /// Blob objects that are certified, or are not; pools are neither
    #[arg(long, value_name = "YES|NO")]
    certified: Option<YesNo>,
}

/// An answer as the command line gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

impl FilterArgs {
    /// The same for the library, with the pools that rows must belong to.
    pub(crate) fn filter(&self, pools: &[ObjectId]) -> Filter {
        Filter {
            tables: self.tables.iter().map(|table| (*table).into()).collect(),
            pools: pools.to_vec(),
            expiring_before: self.expiring_before,
            expiring_after: self.expiring_after,
            certified: self.certified.map(|answer| answer == YesNo::Yes),
        }
    }
}

/// Hands the header of `input` to `on_header` and each row to `on_row`, until one of them fails. The input is read to its end all the same: whether it
/// is sound comes first.
pub(crate) fn each_row(
    input: &mut Input,
    out: &Output,
    on_header: impl Fn(&Header) -> Result<(), CliError>,
    mut on_row: impl FnMut(ObjectId, &Record) -> Result<(), CliError>,
) -> Result<SnapshotSummary, CliError> {
    let mut result = Ok(());
    let summary = out.meter().during(input.what(), input.unit(), |progress| {
        input.read(progress, |event| {
            if let Event::Header(header) = &event {
                result = on_header(header);
            }
            if let (Event::Entry(entry), Ok(())) = (event, &result)
                // The decoder has validated the value.
                && let Ok(record) = entry.record()
            {
                result = on_row(entry.key, &record);
            }
        })
    })?;
    result.map(|()| summary)
}
