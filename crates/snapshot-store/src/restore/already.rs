//! A target that holds exactly what is to be restored: a run that was killed after the database got its
//! name, and came again. Nothing is written.

use std::env;

use super::build::cursor_rows;
use super::install::digest;
use super::preflight::{Action, Preflight};
use super::source::VerifiedSnapshot;
use super::{Finding, RestoreError};
use crate::check::{self, CheckOptions};
use crate::open::{Database, OpenOptions};
use crate::progress::Progress;
use crate::schema::ColumnFamily;

/// Takes back the finding that a database is there if it holds the tables already.
pub(super) fn forgive(snapshot: &VerifiedSnapshot, preflight: &mut Preflight) {
    let in_the_way = preflight.findings.as_slice();
    let there =
        preflight.action == Action::Replace && matches!(in_the_way, [] | [Finding::Exists { .. }]);
    // What cannot be read is not what was restored.
    if there && holds_all(snapshot, preflight).unwrap_or(false) {
        preflight.findings.clear();
        preflight.action = Action::Nothing;
    }
}

fn holds_all(snapshot: &VerifiedSnapshot, preflight: &Preflight) -> Result<bool, RestoreError> {
    let summary = snapshot.summary();
    let database = Database::open_column_families(
        &preflight.current,
        &ColumnFamily::ALL,
        &OpenOptions::default(),
    )?;
    let expected = cursor_rows(preflight.resume);
    for family in [
        ColumnFamily::EventCursor,
        ColumnFamily::LatestHandledEventIndex,
    ] {
        let wanted = expected.iter().find(|(of, ..)| *of == family);
        let wanted = wanted.map(|(_, key, value)| (*key, value.as_slice()));
        if !check::has_only(&database, family, wanted) {
            return Ok(false);
        }
    }
    if digest(&database, summary, &Progress::new())? != summary.digest {
        return Ok(false);
    }
    let options = CheckOptions {
        epoch: None,
        scratch: env::temp_dir(),
    };
    // What is wrong with the snapshot's own rows came with them.
    let mut agrees = true;
    let checked = check::check(&database, &options, &Progress::new(), |violation| {
        agrees &= violation.family != ColumnFamily::AggregateBlobInfo;
    });
    Ok(checked.is_ok() && agrees)
}
