//! The progress bar: on standard error, only on a terminal, only for work of more than a second.
//!
//! Jobs count in [`Progress`]; a thread watches. Nothing here knows what a job does.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use snapshot_store::Progress;

use crate::report::rate;

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two looks: fluent for the eye, nothing for the job.
const TICK: Duration = Duration::from_millis(100);

/// What a job counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Rows,
    Bytes,
}

/// Shows progress, or does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    visible: bool,
}

impl Meter {
    /// A meter that shows something only if `visible`.
    pub(crate) const fn new(visible: bool) -> Self {
        Self { visible }
    }

    /// Runs `job`, and shows how far it is.
    pub(crate) fn during<T>(
        self,
        what: &'static str,
        unit: Unit,
        job: impl FnOnce(&Progress) -> T,
    ) -> T {
        let progress = Progress::new();
        if !self.visible {
            return job(&progress);
        }
        thread::scope(|scope| {
            // Dropped when the job is done, even by a panic: that ends the watcher.
            let (running, ended) = mpsc::channel::<()>();
            let watched = &progress;
            // Without a thread to spare the job is done unseen.
            let _ = thread::Builder::new()
                .spawn_scoped(scope, move || watch(watched, what, unit, &ended));
            let result = job(watched);
            drop(running);
            result
        })
    }
}

fn watch(progress: &Progress, what: &'static str, unit: Unit, ended: &Receiver<()>) {
    let start = Instant::now();
    let waits = |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    if !waits(PATIENCE) {
        return;
    }
    // Hidden until it has something to show.
    let bar = ProgressBar::hidden();
    bar.set_prefix(what);
    loop {
        let (done, total) = (progress.done(), progress.total());
        bar.set_style(style(unit, total > 0));
        // The total of a database is an estimate.
        bar.set_length(total.max(done));
        bar.set_position(done);
        bar.set_message(pace(unit, done, total, start.elapsed()));
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.tick();
        if !waits(TICK) {
            break;
        }
    }
    bar.finish_and_clear();
}

fn style(unit: Unit, total_known: bool) -> ProgressStyle {
    let template = match (unit, total_known) {
        (Unit::Rows, true) => "{prefix} [{wide_bar}] {human_pos}/{human_len} rows, {msg}",
        (Unit::Rows, false) => "{prefix} {human_pos} rows, {msg}",
        (Unit::Bytes, true) => "{prefix} [{wide_bar}] {binary_bytes}/{binary_total_bytes}, {msg}",
        (Unit::Bytes, false) => "{prefix} {binary_bytes}, {msg}",
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// The rate so far, and the time left if it stays.
fn pace(unit: Unit, done: u64, total: u64, elapsed: Duration) -> String {
    let rate = rate(done, elapsed);
    let per_second = match unit {
        Unit::Rows => format!("{}/s", HumanCount(rate as u64)),
        Unit::Bytes => format!("{}/s", BinaryBytes(rate as u64)),
    };
    if total > done && rate > 0.0 {
        format!("{per_second}, {:.0} s left", (total - done) as f64 / rate)
    } else {
        per_second
    }
}
