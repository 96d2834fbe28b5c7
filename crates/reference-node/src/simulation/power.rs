//! What a power failure takes from a database: the end of its newest log.
//!
//! A node does not sync its write-ahead log with each event. RocksDB syncs a log when it begins the
//! next one, so only the newest can lose anything.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use rand::Rng;

/// Cuts a random number of bytes off the newest log of the database in `directory`, if it has one.
pub(super) fn cut_newest_log(directory: &Path, rng: &mut impl Rng) -> io::Result<()> {
    let mut newest = None;
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => {
            for entry in entries? {
                let name = entry?.file_name();
                let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
                let number: Option<u64> = number.and_then(|number| number.parse().ok());
                newest = newest.max(number.map(|number| (number, name)));
            }
        }
    }
    let Some((_, name)) = newest else {
        return Ok(());
    };
    let file = OpenOptions::new().write(true).open(directory.join(name))?;
    let length = file.metadata()?.len();
    file.set_len(rng.random_range(0..=length))
}
