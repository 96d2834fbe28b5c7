//! Taking times: the sides of a comparison take turns, and medians are compared.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    /// By the clock on the wall.
    pub wall: Duration,
    /// Of processors, over all threads of this process, in the kernel too.
    pub cpu: Duration,
}

/// Runs `work` and says how long it took.
///
/// # Errors
///
/// Those of `work`.
pub fn time<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Took)> {
    let cpu = cpu_time();
    let start = Instant::now();
    let result = work()?;
    let wall = start.elapsed();
    Ok((
        result,
        Took {
            wall,
            cpu: cpu_time().saturating_sub(cpu),
        },
    ))
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    // The clock starts at 0 with the process, so neither part is negative.
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// One side of a comparison: it does its work once and says how long that took, without what comes
/// before and after.
pub type Side<'a> = &'a mut dyn FnMut() -> Result<Took>;

/// Runs each side once without counting it, then `runs` times in turns, and returns their samples.
///
/// Each turn begins with another side, so that none always runs in the wake of the same one.
///
/// # Errors
///
/// The first error of a side.
pub fn alternate<const N: usize>(runs: usize, mut sides: [Side<'_>; N]) -> Result<[Samples; N]> {
    let mut samples = alternate_all(runs, &mut sides)?.into_iter();
    Ok(std::array::from_fn(|_| samples.next().unwrap_or_default()))
}

/// As [`alternate`], for any number of sides.
///
/// # Errors
///
/// The first error of a side.
pub fn alternate_all(runs: usize, sides: &mut [Side<'_>]) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples::default(); sides.len()];
    for side in sides.iter_mut() {
        side()?;
    }
    for run in 0..runs {
        for turn in 0..sides.len() {
            let index = (run + turn) % sides.len();
            if let (Some(side), Some(samples)) = (sides.get_mut(index), samples.get_mut(index)) {
                samples.add(side()?);
            }
        }
    }
    Ok(samples)
}

/// The times of one side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples {
    /// Seconds by the clock, in the order of the runs.
    pub wall_seconds: Vec<f64>,
    /// Seconds of processors, in the order of the runs.
    pub cpu_seconds: Vec<f64>,
}

impl Samples {
    fn add(&mut self, took: Took) {
        self.wall_seconds.push(took.wall.as_secs_f64());
        self.cpu_seconds.push(took.cpu.as_secs_f64());
    }

    /// The median time by the clock, in seconds.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.wall_seconds)
    }

    /// The median time of processors, in seconds.
    #[must_use]
    pub fn median_cpu(&self) -> f64 {
        median(&self.cpu_seconds)
    }

    /// Half the distance between the fastest and the slowest run, as a share of the median.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let fold =
            |pick: fn(f64, f64) -> f64, from| self.wall_seconds.iter().copied().fold(from, pick);
        (fold(f64::max, f64::MIN) - fold(f64::min, f64::MAX)) / 2.0 / self.median()
    }
}

/// The value in the middle, or the mean of the two there; not a number if there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle.wrapping_sub(1)), sorted.get(middle)) {
        (Some(below), Some(above)) if sorted.len().is_multiple_of(2) => {
            f64::midpoint(*below, *above)
        }
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn sides_take_turns_and_each_begins_once() {
        let order = std::cell::RefCell::new(Vec::new());
        let side = |name: char| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(Took {
                    wall: Duration::from_secs(1),
                    cpu: Duration::from_secs(2),
                })
            }
        };
        let (mut a, mut b) = (side('a'), side('b'));
        let [of_a, of_b] = alternate(3, [&mut a, &mut b]).expect("neither fails");
        assert_eq!(
            order.borrow().iter().collect::<String>(),
            "ab".to_owned() + "abbaab"
        );
        assert_eq!((of_a.wall_seconds.len(), of_b.wall_seconds.len()), (3, 3));
        assert_eq!(
            (of_a.median(), of_a.median_cpu(), of_a.spread()),
            (1.0, 2.0, 0.0)
        );
    }
}
