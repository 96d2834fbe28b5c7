//! The rows of `aggregate_blob_info` beside the objects of the same blob IDs.

use snapshot_format::{BlobId, Epoch};

use super::{CheckError, Problem, Run, Violation};
use crate::aggregate::{BlobInfo, BlobInfoV2, PermanentBlobInfo};
use crate::plan::KeyRange;
use crate::restore::aggregate::sort::Sum;
use crate::restore::aggregate::{self, Exact, SORT_BUDGET, Sorted, Tally};
use crate::scan::RangeScan;
use crate::schema::ColumnFamily;

const FAMILY: ColumnFamily = ColumnFamily::AggregateBlobInfo;

/// A row as far as it can be compared with objects.
struct Row {
    exact: Exact,
    since: Option<Epoch>,
}

impl<F: FnMut(&Violation)> Run<'_, F> {
    /// Compares all rows with the objects.
    pub(super) fn aggregate(&mut self, sorted: &Sorted) -> Result<(), CheckError> {
        let dir = self.options.scratch.as_path();
        let spill = |source| CheckError::Spill {
            dir: dir.to_path_buf(),
            source,
        };
        let mut rows = Rows {
            scan: RangeScan::new(self.database, FAMILY, &KeyRange::default())
                .map_err(self.unreadable())?,
            next: None,
        };
        rows.advance(self)?;
        let mut read = Sum::default();
        for part in 0..sorted.parts.count() {
            let sum = aggregate::groups(sorted, part, SORT_BUDGET, spill, |blob_id, tally| {
                rows.pass(Some(blob_id), self)?;
                match &rows.next {
                    Some((same, info)) if same == blob_id => {
                        self.compare(blob_id, info, tally);
                        rows.advance(self)
                    }
                    _ => {
                        let objects = tally.objects();
                        self.found(FAMILY, blob_id.as_bytes(), Problem::NoAggregate { objects });
                        Ok(())
                    }
                }
            })?;
            read.join(sum);
        }
        rows.pass(None, self)?;
        if read != sorted.sum {
            return Err(spill(std::io::ErrorKind::InvalidData.into()));
        }
        Ok(())
    }

    /// Compares a row with the objects of its blob ID, of which there may be none.
    fn compare(&mut self, blob_id: &BlobId, info: &BlobInfo, tally: &Tally) {
        let Some(row) = Row::of(info) else {
            self.report.invalid_rows += 1;
            return;
        };
        let objects = tally.exact();
        let key = blob_id.as_bytes();
        let counts = Exact::COUNTS.into_iter().zip(objects.counts);
        for ((field, expected), got) in counts.zip(row.exact.counts) {
            if expected != got {
                let problem = Problem::Count {
                    field,
                    expected,
                    got,
                };
                self.found(FAMILY, key, problem);
            }
        }
        let permanent = Exact::PERMANENT.into_iter().zip(objects.permanent);
        for ((field, expected), got) in permanent.zip(row.exact.permanent) {
            if expected != got {
                let problem = Problem::Permanent {
                    field,
                    expected,
                    got,
                };
                self.found(FAMILY, key, problem);
            }
        }
        let certified = row.exact.any_certified();
        if row.since.is_some() != certified {
            let since = row.since;
            self.found(FAMILY, key, Problem::CertifiedSince { since, certified });
        }
        if row.exact == Tally::default().exact() {
            self.report.awaiting_collection += 1;
        }
    }
}

/// A cursor over the rows, one ahead.
struct Rows<'a> {
    scan: RangeScan<'a>,
    next: Option<(BlobId, BlobInfo)>,
}

impl Rows<'_> {
    /// Goes on to the next row that can be read; those that cannot are reported.
    fn advance<F: FnMut(&Violation)>(&mut self, run: &mut Run<'_, F>) -> Result<(), CheckError> {
        self.next = None;
        let unreadable = run.unreadable();
        while let Some((key, value)) = self.scan.next().map_err(&unreadable)? {
            run.report.aggregate_rows += 1;
            let problem = match (<[u8; 32]>::try_from(key), BlobInfo::decode(value)) {
                (Ok(id), Ok(info)) => {
                    self.next = Some((BlobId::new(id), info));
                    return Ok(());
                }
                (Err(_), _) => Problem::KeyLength { got: key.len() },
                (Ok(_), Err(error)) => Problem::Value(error),
            };
            run.found(FAMILY, key, problem);
        }
        Ok(())
    }

    /// Passes the rows up to `blob_id`, or all: no object stands for their blob IDs.
    fn pass<F: FnMut(&Violation)>(
        &mut self,
        blob_id: Option<&BlobId>,
        run: &mut Run<'_, F>,
    ) -> Result<(), CheckError> {
        while let Some((id, info)) = &self.next
            && blob_id.is_none_or(|blob_id| id < blob_id)
        {
            run.compare(id, info, &Tally::default());
            self.advance(run)?;
        }
        Ok(())
    }
}

impl Row {
    /// Nothing of a row that is invalid.
    fn of(info: &BlobInfo) -> Option<Self> {
        let permanent = |info: Option<PermanentBlobInfo>| {
            info.map(|info| (u64::from(info.count.get()), info.end_epoch))
        };
        let info = match *info {
            BlobInfo::V1(row) => row.into(),
            BlobInfo::V2(row) => row,
        };
        let BlobInfoV2::Valid(row) = info else {
            return None;
        };
        let counts = [
            row.count_deletable_total,
            row.count_deletable_certified,
            row.count_pooled_refs_total,
            row.count_pooled_refs_certified,
        ];
        let exact = Exact {
            counts: counts.map(u64::from),
            permanent: [row.permanent_total, row.permanent_certified].map(permanent),
        };
        let since = row.initial_certified_epoch;
        Some(Self { exact, since })
    }
}
