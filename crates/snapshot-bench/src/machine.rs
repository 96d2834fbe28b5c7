//! What the measurements were taken on, as far as it explains them.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

/// The type of `tmpfs` as the kernel numbers file systems.
const TMPFS: i64 = 0x0102_1994;

/// Processors busy with something else on average, from which on times are not to be trusted. The
/// kernel's own work for this program, which writes to a disk, is below.
const NOISE: f64 = 0.2;

/// Units of processor time in `/proc` in a second: what Linux tells programs on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// Looks at the machine; what cannot be found out is left empty.
    #[must_use]
    pub fn look() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let processor = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown", |(_, name)| name);
        Self {
            processor: processor.to_owned(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

/// What else the processors did while the measurements ran.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Noise {
    /// Processors busy with other programs and with the kernel, on average.
    pub others: f64,
    /// Processors that the machine wanted and its host gave to others, on average.
    pub stolen: f64,
}

impl Noise {
    /// Whether it was so much that times are not to be trusted.
    #[must_use]
    pub fn spoils(self) -> bool {
        self.others + self.stolen > NOISE
    }
}

/// Watches for [`Noise`].
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    since: Instant,
    busy: f64,
    stolen: f64,
    own: f64,
}

impl Watch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        let (busy, stolen) = all_processors();
        Self {
            since: Instant::now(),
            busy,
            stolen,
            own: this_program(),
        }
    }

    /// The noise since the start.
    #[must_use]
    pub fn noise(self) -> Noise {
        let Self {
            since,
            busy,
            stolen,
            own,
        } = Self::start();
        let passed = since.duration_since(self.since).as_secs_f64();
        let others = (busy - self.busy) - (own - self.own);
        Noise {
            others: (others / passed).max(0.0),
            stolen: (stolen - self.stolen) / passed,
        }
    }
}

/// Seconds that all processors were busy, and that were stolen from them, since the machine started.
fn all_processors() -> (f64, f64) {
    parse_processors(&read("/proc/stat"))
}

fn parse_processors(text: &str) -> (f64, f64) {
    let mut seconds = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .map(|ticks| ticks / TICKS_PER_SECOND);
    let mut next = || seconds.next().unwrap_or(0.0);
    let (user, nice, system, _idle, _waiting) = (next(), next(), next(), next(), next());
    let (irq, softirq, stolen) = (next(), next(), next());
    (user + nice + system + irq + softirq, stolen)
}

/// Seconds of processors that this process took, and its children that have ended.
fn this_program() -> f64 {
    parse_process(&read("/proc/self/stat"))
}

fn parse_process(text: &str) -> f64 {
    /// The times are the fields 14 to 17; the second one, the name, may hold blanks.
    const FIELDS_BETWEEN: usize = 14 - 3;
    let (_, fields) = text.rsplit_once(") ").unwrap_or_default();
    let ticks = fields.split(' ').skip(FIELDS_BETWEEN).take(4);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_PER_SECOND
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Refuses a directory in memory: syncing costs nothing there.
///
/// # Errors
///
/// If it is one, or cannot be looked at.
pub fn require_disk(dir: &Path) -> Result<()> {
    let stat =
        rustix::fs::statfs(dir).with_context(|| format!("cannot look at {}", dir.display()))?;
    ensure!(
        stat.f_type != TMPFS,
        "{} is in memory (tmpfs), where syncing costs nothing; give --dir on a disk",
        dir.display()
    );
    Ok(())
}

/// Waits until the disk of `dir` has everything, so that the next measurement does not pay for it.
///
/// # Errors
///
/// If it cannot be synced.
pub fn settle(dir: &Path) -> Result<()> {
    rustix::fs::syncfs(fs::File::open(dir)?)?;
    Ok(())
}

/// Reads the file `path`, or all files in the directory `path`, so that the page cache has them: some
/// machines, virtual ones above all, take back what was not used for seconds.
///
/// # Errors
///
/// If a file cannot be read.
pub fn warm(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| warm(&entry?.path()));
    }
    let mut file = fs::File::open(path)?;
    let mut buffer = page_aligned_buffer();
    while file.read(buffer.bytes())? > 0 {}
    Ok(())
}

/// A buffer to read into as fast as the machine can.
#[derive(Debug)]
pub struct PageAlignedBuffer {
    bytes: Vec<u8>,
    start: usize,
}

/// Bytes of a page.
const PAGE: usize = 4096;

/// Bytes of a [`PageAlignedBuffer`].
const BUFFER: usize = 256 << 10;

/// A buffer of 256 KiB. The kernel copies three times as slowly (AMD Zen 3) to where a large vector
/// usually begins, 16 bytes into a page.
#[must_use]
pub fn page_aligned_buffer() -> PageAlignedBuffer {
    let bytes = vec![0; BUFFER + PAGE];
    let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
    PageAlignedBuffer { bytes, start }
}

impl PageAlignedBuffer {
    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_where_the_kernel_writes_them() {
        let stat = "cpu  100 200 300 4000 5000 600 700 800 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(parse_processors(stat), (19.0, 8.0));
        let process = "12 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 100 200 300 400 20 0 1";
        assert_eq!(parse_process(process), 10.0);
        assert!(this_program() <= all_processors().0);
    }

    #[test]
    fn noise_is_what_others_do_and_what_the_host_takes() {
        let noise = |others, stolen| Noise { others, stolen }.spoils();
        assert!(!noise(0.1, 0.05));
        assert!(noise(0.5, 0.0) && noise(0.0, 0.5));
    }
}
