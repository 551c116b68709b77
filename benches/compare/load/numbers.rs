//! Which number is asked for next.

use crate::{Drive, Pattern};

const DRAWN: usize = 1 << 16;

/// The numbers of a pattern, in order.
pub(crate) struct Numbers {
    pattern: Pattern,
    from: u64,
    count: u64,
    fresh_every: u64,
    fresh_from: u64,
    asked: u64,
    fresh: u64,
    drawn: Vec<u64>,
}

impl Numbers {
    pub(crate) fn new(drive: &Drive) -> Numbers {
        let drawn = if drive.pattern == Pattern::Zipf { draw(drive.count) } else { Vec::new() };
        let fresh_every = drive.fresh_every.unwrap_or(u64::MAX);
        Numbers {
            pattern: drive.pattern,
            from: drive.from,
            count: drive.count.max(1),
            fresh_every,
            fresh_from: drive.fresh_from,
            asked: 0,
            fresh: 0,
            drawn,
        }
    }

    /// The next number, and whether it is one that nobody asked for.
    pub(crate) fn next(&mut self) -> (u64, bool) {
        self.asked += 1;
        if self.asked.is_multiple_of(self.fresh_every) {
            self.fresh += 1;
            return (self.fresh_from + self.fresh - 1, true);
        }
        let at = self.asked - 1;
        let offset = match self.pattern {
            Pattern::Same => 0,
            Pattern::Cycle => at % self.count,
            Pattern::Unique => at,
            Pattern::Zipf => self.drawn[at as usize % DRAWN],
        };
        (self.from + offset, false)
    }

    pub(crate) fn fresh(&self) -> u64 {
        self.fresh
    }
}

/// Offsets below a count, the n-th with a weight of 1/n, the same in every run.
fn draw(count: u64) -> Vec<u64> {
    let sums: Vec<f64> = (1..=count).scan(0.0, |sum, rank| Some((*sum += 1.0 / rank as f64, *sum).1)).collect();
    let whole = sums.last().copied().unwrap_or(1.0);
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..DRAWN).map(|_| random() * whole).map(|aim| sums.partition_point(|sum| *sum < aim) as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_many_is_asked_for_most() {
        let drawn = draw(10_000);
        let share = |offset| drawn.iter().filter(|found| **found == offset).count() as f64 / DRAWN as f64;
        // 1 / (1 + 1/2 + ... + 1/10,000) = 0.102
        assert!((0.09..0.12).contains(&share(0)) && (0.04..0.06).contains(&share(1)), "{} {}", share(0), share(1));
        assert!(drawn.iter().all(|offset| *offset < 10_000));
    }
}
