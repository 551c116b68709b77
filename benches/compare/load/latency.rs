//! Latencies, counted in classes that are 1/64 of a power of two wide.

use std::time::Duration;

const PARTS: u32 = 6;

/// How many latencies fell into each class.
pub(crate) struct Latencies {
    classes: Vec<u64>,
    count: u64,
}

impl Latencies {
    pub(crate) fn new() -> Latencies {
        Latencies { classes: vec![0; 64 << PARTS], count: 0 }
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        let nanoseconds = (latency.as_nanos() as u64).max(1 << PARTS);
        let shift = nanoseconds.ilog2() - PARTS;
        self.classes[((shift as usize) << PARTS) + (nanoseconds >> shift) as usize] += 1;
        self.count += 1;
    }

    /// Microseconds that a share of the latencies did not exceed; 0 where there are none.
    pub(crate) fn microseconds(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.classes.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                // What stands in the class, less the offset of one turn that `add` puts in.
                let shift = (at >> PARTS).saturating_sub(1);
                return (((at - (shift << PARTS)) as u64 + 1) << shift) as f64 / 1e3;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_found_within_two_hundredths() {
        let mut latencies = Latencies::new();
        (1..=1000).for_each(|at| latencies.add(Duration::from_micros(at)));
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let found = latencies.microseconds(share);
            assert!((found / expected - 1.0).abs() < 0.02, "{share}: {found}");
        }
        assert_eq!(Latencies::new().microseconds(0.5), 0.0);
    }
}
