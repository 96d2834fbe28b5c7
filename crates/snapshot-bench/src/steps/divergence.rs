//! Two snapshots that differ in one bit: the bytes that nodes exchange to find it, and the memory that
//! comparing row by row takes. Both must name the row and the field, or the benchmark fails.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use snapshot_format::{Encoder, Event, Framing, Header, ObjectId, Sink, Table};
use snapshot_store::verify::{VerifyError, decode_file};
use snapshot_store::{CreateOptions, Progress, SnapshotSummary};
use snapshot_tools::compare::{Located, compare};
use snapshot_tools::diff::{Collector, DiffSummary, diff};
use snapshot_tools::fingerprint::{Digests, Fingerprint, Fingerprinter, Focus, InputKind};
use snapshot_tools::header::Origin;
use snapshot_tools::rows::{RowSender, side_by_side};
use snapshot_tools::side::Sides;

use super::{Bench, create, header, open, sealed};
use crate::child::{Task, peak_bytes};
use crate::database::{self, Layout};
use crate::report::{Goal, Row, Unit};

/// The sizes at which memory is measured, in quarters of the number of rows.
const QUARTERS: [u64; 3] = [1, 4, 8];

/// What an exchange may cost each node, in KiB.
const EXCHANGE: Goal = Goal::new(64.0, 16.0);

/// What comparing may take, in MiB.
const MEMORY: Goal = Goal::new(64.0, 32.0);

/// Where `registered_epoch` is in a value of `per_object_blob_info`.
const REGISTERED_EPOCH: usize = 33;

/// Rounds after which an exchange has failed.
const MAX_ROUNDS: usize = 8;

impl Bench {
    /// Finds one bit by fingerprints alone, and by walking over both snapshots.
    pub(super) fn divergence(&self) -> Result<Vec<Row>> {
        let (a, b) = (self.dir.join("a.bin"), self.dir.join("b.bin"));
        let mut table = Vec::new();
        let mut peaks = Vec::new();
        for quarters in QUARTERS {
            let rows = self.rows * quarters / 4;
            let scratch = self.dir.join("scratch");
            let db = database::make(&scratch, rows, Layout::Compacted)?.path;
            create(&open(&db)?, &sealed(), &a, &CreateOptions::default())?;
            fs::remove_dir_all(&scratch)?;
            let key = plant(&a, &b, rows / 2)?;
            if quarters == 4 {
                table.push(exchange_row(&a, &b, rows, key)?);
            }
            let summary = differences(&a, &b)?;
            let fields = &summary.tables[Table::PerObjectBlobInfo].fields;
            ensure!(
                summary.differences() == 1 && fields.contains_key("registered_epoch"),
                "the planted bit was not found: {summary:?}"
            );
            let peak = |task: &Task| -> Result<f64> {
                Ok(peak_bytes(&self.program, task)? as f64 / f64::from(1 << 20))
            };
            let (a, b) = (a.clone(), b.clone());
            let rest = peak(&Task::Nothing)?;
            peaks.push((rows, peak(&Task::Diff { a, b })?, rest));
        }
        fs::remove_file(&a)?;
        fs::remove_file(&b)?;
        table.push(memory_row(&peaks));
        Ok(table)
    }
}

/// Compares two sealed snapshot files row by row.
pub(crate) fn differences(a: &Path, b: &Path) -> Result<DiffSummary> {
    let feed = |path| {
        move |mut rows: RowSender| -> Result<SnapshotSummary, VerifyError> {
            let progress = Progress::new();
            let summary = decode_file(path, &progress, |event| rows.event(&event, &Table::ALL))?;
            rows.finish();
            Ok(summary)
        }
    };
    let (read, result) = side_by_side(feed(a), feed(b), |a, b| -> Result<DiffSummary> {
        let headers = Sides {
            a: (a.header()?, Origin::Found),
            b: (b.header()?, Origin::Found),
        };
        let mut collector = Collector::new(headers, Framing::Sealed);
        diff(a, b, Framing::Sealed, &mut collector, |_| {
            Ok::<(), io::Error>(())
        })?;
        Ok(collector.finish())
    })?;
    read.a?;
    read.b?;
    result
}

/// Copies a snapshot with one bit of the object with this number flipped, and returns its key.
fn plant(from: &Path, to: &Path, number: u64) -> Result<ObjectId> {
    let mut encoder = Encoder::sealed(FileSink(BufWriter::new(File::create(to)?)), &header())?;
    let mut planted = None;
    let mut next = 0;
    let mut result = Ok(());
    decode_file(from, &Progress::new(), |event| {
        let (Event::Entry(entry), Ok(())) = (event, &result) else {
            return;
        };
        let mut value = entry.value.to_vec();
        if next == number
            && let Some(byte) = value.get_mut(REGISTERED_EPOCH)
        {
            *byte ^= 1;
            planted = Some(entry.key);
        }
        next += 1;
        result = encoder.entry(entry.table, entry.key.as_bytes(), &value);
    })?;
    result?;
    encoder.finish()?.sink.0.flush()?;
    planted.context("there is no row to plant a divergence in")
}

struct FileSink(BufWriter<File>);

impl Sink for FileSink {
    type Error = io::Error;

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

fn exchange_row(a: &Path, b: &Path, rows: u64, key: ObjectId) -> Result<Row> {
    let mut focus = Focus::All;
    let mut sent = Vec::new();
    for _ in 0..MAX_ROUNDS {
        let documents = [fingerprint(a, focus)?, fingerprint(b, focus)?];
        sent.push(documents.iter().map(Vec::len).max().unwrap_or_default());
        let [one, other] = &documents;
        let prints = [Fingerprint::parse(one)?, Fingerprint::parse(other)?];
        let comparison = compare(&prints);
        let groups = comparison.epochs.iter().flat_map(|of| &of.groups);
        let found = groups.flat_map(|group| &group.tables).next();
        let found = found.ok_or_else(|| anyhow!("the fingerprints agree"))?;
        match (&found.located, found.next()) {
            (Located::Row { key: at, .. }, None) => {
                ensure!(*at == key, "{at} was found, {key} differs");
                return Ok(row_of(&sent, rows));
            }
            (_, Some(next)) => focus = next,
            (located, None) => bail!("the exchange ends with {located:?}"),
        }
    }
    bail!("the exchange does not end")
}

fn row_of(sent: &[usize], rows: u64) -> Row {
    let kib = |bytes: usize| bytes as f64 / 1024.0;
    let all: usize = sent.iter().sum();
    let each: Vec<String> = sent
        .iter()
        .map(|bytes| format!("{:.1}", kib(*bytes)))
        .collect();
    Row {
        what: "digest exchange to locate a divergence".to_owned(),
        on: format!("1 of {:.1} M rows", rows as f64 / 1e6),
        ratio: kib(all),
        unit: Unit::Kib,
        goal: EXCHANGE,
        ours: format!("{} rounds of {} KiB", sent.len(), each.join(", ")),
        other: "-".to_owned(),
        bound_by: "256 counts and digests of 4 bytes in each of the first rounds".to_owned(),
        samples: Vec::new(),
    }
}

/// The fingerprint of a snapshot file, as it is sent.
fn fingerprint(path: &Path, focus: Focus) -> Result<Vec<u8>> {
    let mut fingerprinter = Fingerprinter::new(focus);
    let progress = Progress::new();
    let summary = decode_file(path, &progress, |event| fingerprinter.event(&event))?;
    let digests = Digests {
        sealed: Some(summary.digest),
        counted: None,
    };
    let header: Header = summary.header;
    let name = "snapshot_epoch_31.bin".to_owned();
    let rows = fingerprinter.finish();
    let print = Fingerprint::new(name, InputKind::File, header, digests, rows);
    Ok(serde_json::to_vec(&print)?)
}

fn memory_row(peaks: &[(u64, f64, f64)]) -> Row {
    let each = |show: &dyn Fn(&(u64, f64, f64)) -> String| {
        peaks.iter().map(show).collect::<Vec<_>>().join(" / ")
    };
    let beyond = peaks.iter().map(|(_, step, rest)| step - rest);
    let sizes = each(&|(rows, ..)| format!("{:.1} M", *rows as f64 / 1e6));
    Row {
        what: "peak memory of diff".to_owned(),
        on: "two sealed files".to_owned(),
        ratio: beyond.fold(f64::NAN, f64::max),
        unit: Unit::Mib,
        goal: MEMORY,
        ours: each(&|(_, step, _)| format!("{step:.1}")) + " MiB",
        other: each(&|(_, _, rest)| format!("{rest:.1}")) + " MiB doing nothing",
        bound_by: format!("buffers, at {sizes} rows"),
        samples: Vec::new(),
    }
}
