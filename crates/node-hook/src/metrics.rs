//! The Prometheus metrics (`docs/lifecycle.md`, "Metrics").

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{Gauge, GaugeVec, IntCounterVec, Opts, Registry};
use snapshot_format::Epoch;
use snapshot_store::SnapshotSummary;

use crate::error::Stage;

/// Epochs are labelled modulo this, so that the label has few values.
const EPOCH_BUCKETS: u32 = 100;

/// Bits of a digest that a float64 sample cannot hold.
const DIGEST_BITS_DROPPED: u32 = 64 - f64::MANTISSA_DIGITS;

/// The gauges and counters of one hook.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    checkpoint_duration_seconds: Gauge,
    error_total: IntCounterVec,
    serialize_duration_seconds: Gauge,
    size_bytes: Gauge,
    entries: GaugeVec,
    last_epoch: Gauge,
    digest: GaugeVec,
    last_success_timestamp_seconds: Gauge,
}

impl Metrics {
    /// Makes the metrics.
    ///
    /// # Errors
    ///
    /// If Prometheus does not take their names.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| Gauge::with_opts(options(name, help));
        let gauges = |name: &str, help: &str, label: &str| -> prometheus::Result<GaugeVec> {
            GaugeVec::new(options(name, help), &[label])
        };
        let errors = options("error_total", "Failures, by the stage that failed");
        let error_total = IntCounterVec::new(errors, &["stage"])?;
        // A counter that is not there yet cannot be told from one that never failed.
        for stage in Stage::ALL {
            error_total.with_label_values(&[stage.name()]);
        }
        Ok(Self {
            checkpoint_duration_seconds: gauge(
                "checkpoint_duration_seconds",
                "Time event processing waited at the latest boundary, checkpoint or failure",
            )?,
            error_total,
            serialize_duration_seconds: gauge(
                "serialize_duration_seconds",
                "Time the latest snapshot took to write, in the background",
            )?,
            size_bytes: gauge("size_bytes", "Size of the latest snapshot")?,
            entries: gauges("entries", "Rows in the latest snapshot, by table", "table")?,
            last_epoch: gauge(
                "last_epoch",
                "Epoch of the latest checkpoint, or snapshot in mode `snapshot`",
            )?,
            digest: gauges(
                "digest",
                "Top 53 bits of the latest snapshot's digest, by epoch modulo 100",
                "epoch_bucket",
            )?,
            last_success_timestamp_seconds: gauge(
                "last_success_timestamp_seconds",
                "Unix time of the latest checkpoint, or snapshot in mode `snapshot`",
            )?,
        })
    }

    /// Registers all of them, or none. The names get the registry's own prefix, if it has one.
    ///
    /// # Errors
    ///
    /// If a name is taken.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        for (index, collector) in self.collectors().into_iter().enumerate() {
            if let Err(error) = registry.register(collector) {
                for registered in self.collectors().into_iter().take(index) {
                    // It was registered just now.
                    let _ = registry.unregister(registered);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn collectors(&self) -> [Box<dyn Collector>; 8] {
        [
            Box::new(self.checkpoint_duration_seconds.clone()),
            Box::new(self.error_total.clone()),
            Box::new(self.serialize_duration_seconds.clone()),
            Box::new(self.size_bytes.clone()),
            Box::new(self.entries.clone()),
            Box::new(self.last_epoch.clone()),
            Box::new(self.digest.clone()),
            Box::new(self.last_success_timestamp_seconds.clone()),
        ]
    }

    pub(crate) fn failed(&self, stage: Stage) {
        self.error_total.with_label_values(&[stage.name()]).inc();
    }

    /// Event processing waited so long at a boundary.
    pub(crate) fn paused(&self, duration: Duration) {
        self.checkpoint_duration_seconds.set(duration.as_secs_f64());
    }

    /// What the mode asks for is there for `epoch`, made at `time`.
    pub(crate) fn succeeded(&self, epoch: Epoch, time: SystemTime) {
        self.last_epoch.set(f64::from(epoch.0));
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success_timestamp_seconds.set(time.as_secs_f64());
    }

    /// A snapshot is there, made at `time`; it took so long, if it was written just now.
    pub(crate) fn snapshot(
        &self,
        summary: &SnapshotSummary,
        took: Option<Duration>,
        time: SystemTime,
    ) {
        if let Some(took) = took {
            self.serialize_duration_seconds.set(took.as_secs_f64());
        }
        self.size_bytes.set(summary.size as f64);
        for (table, count) in summary.counts.iter() {
            self.entries
                .with_label_values(&[table.name()])
                .set(*count as f64);
        }
        // Only the latest is exported: dashboards compare it across nodes.
        self.digest.reset();
        let bucket = (summary.header.epoch().0 % EPOCH_BUCKETS).to_string();
        self.digest
            .with_label_values(&[bucket.as_str()])
            .set(exported(summary.digest.0));
        self.succeeded(summary.header.epoch(), time);
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(format!("blob_info_snapshot_{name}"), help)
}

/// The top 53 bits of a digest, which a float64 holds exactly.
fn exported(digest: u64) -> f64 {
    (digest >> DIGEST_BITS_DROPPED) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exported_digest_is_exact() {
        for digest in [0, 1, u64::MAX, 0xcbca_f951_ad6c_663a, 1 << 63] {
            assert_eq!(exported(digest) as u64, digest >> 11);
        }
        assert_ne!(exported(u64::MAX), exported(u64::MAX - (1 << 11)));
    }
}
