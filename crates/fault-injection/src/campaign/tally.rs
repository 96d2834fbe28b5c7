//! What was tried, by command and kind, and what was broken.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use super::choose::Case;
use super::promises::Broken;

/// Cases after which it says how far it is.
const PROGRESS_EVERY: usize = 500;

/// Counts, for several threads.
pub(crate) struct Tally {
    start: Instant,
    counts: Mutex<All>,
}

#[derive(Default)]
struct All {
    rows: BTreeMap<(String, &'static str), Counts>,
    done: usize,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    operations: usize,
    tried: usize,
    violations: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            counts: Mutex::default(),
        }
    }
}

impl Tally {
    /// Adds operations at which something can be tried, and what came of a try.
    pub(crate) fn count(
        &self,
        command: &str,
        kind: &'static str,
        operations: usize,
        broken: Option<&Broken>,
    ) {
        let Ok(mut all) = self.counts.lock() else {
            return;
        };
        let counts = all.rows.entry((command.to_owned(), kind)).or_default();
        counts.operations += operations;
        if let Some(broken) = broken {
            counts.tried += 1;
            counts.violations += usize::from(!broken.is_empty());
            for words in broken {
                println!("violation: {command}/{kind}: {words}");
            }
        }
    }

    /// Adds what came of a case; nothing, if the program did not come so far.
    pub(crate) fn note(&self, case: &Case<'_>, broken: Option<&Broken>, total: usize) {
        if let Some(broken) = broken.filter(|broken| !broken.is_empty()) {
            println!(
                "violation: {}; again: cargo xtask faults --case '{case}'",
                broken.join("; ")
            );
        }
        let Ok(mut all) = self.counts.lock() else {
            return;
        };
        all.done += 1;
        if all.done.is_multiple_of(PROGRESS_EVERY) {
            eprintln!(
                "{} of {total} cases in {:.0} s",
                all.done,
                self.start.elapsed().as_secs_f64()
            );
        }
        let Some(broken) = broken else { return };
        let key = (case.subject.name().to_owned(), case.what.name());
        let counts = all.rows.entry(key).or_default();
        counts.tried += 1;
        counts.violations += usize::from(!broken.is_empty());
    }

    /// Prints all of it. Returns whether nothing was broken.
    pub(crate) fn tell(&self) -> bool {
        let Ok(all) = self.counts.lock() else {
            return false;
        };
        let row = |command: &str, kind: &str, counts: &Counts| {
            let Counts {
                operations,
                tried,
                violations,
            } = counts;
            println!("{command:<22} {kind:<26} {operations:>10} {tried:>8} {violations:>10}");
        };
        println!(
            "\n{:<22} {:<26} operations    tried violations",
            "command", "kind"
        );
        let mut total = Counts::default();
        for ((command, kind), counts) in all.rows.iter().filter(|(_, counts)| counts.tried > 0) {
            row(command, kind, counts);
            total.operations += counts.operations;
            total.tried += counts.tried;
            total.violations += counts.violations;
        }
        row("total", "", &total);
        println!("in {:.0} s", self.start.elapsed().as_secs_f64());
        total.violations == 0
    }
}
