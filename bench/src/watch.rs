//! Owns the counters: the deliveries of each member, and their latencies. Called by `closed` and `paced`.
//! Recognises a delivery only by its mark.

use crate::speech::{MARK, STAMP};
use std::time::Instant;

/// Deliveries by member.
pub(crate) struct Watch {
    pub(crate) counts: Vec<u64>,
    /// Latencies of stamped texts, in microseconds.
    pub(crate) times: Option<Times>,
}

pub(crate) struct Times {
    pub(crate) clock: Instant,
    pub(crate) us: Vec<u32>,
    /// By member: a mark whose stamp is incomplete.
    cut: Vec<Vec<u8>>,
}

impl Watch {
    pub(crate) fn new(members: usize) -> Self {
        Self { counts: vec![0; members], times: None }
    }

    pub(crate) fn timed(members: usize, clock: Instant) -> Self {
        let times = Times { clock, us: Vec::new(), cut: vec![Vec::new(); members] };
        Self { counts: vec![0; members], times: Some(times) }
    }

    /// A member has received these bytes.
    pub(crate) fn see(&mut self, member: usize, text: &[u8]) {
        self.counts[member] += memchr::memchr_iter(MARK, text).count() as u64;
        if let Some(times) = &mut self.times {
            times.see(member, text);
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Times {
    fn see(&mut self, member: usize, text: &[u8]) {
        let now = u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut whole = std::mem::take(&mut self.cut[member]);
        whole.extend_from_slice(text);
        for at in memchr::memchr_iter(MARK, &whole) {
            let Some(stamp) = whole.get(at + 1..at + 1 + STAMP) else {
                self.cut[member] = whole[at..].to_vec();
                return;
            };
            let sent = std::str::from_utf8(stamp).ok().and_then(|s| u64::from_str_radix(s, 16).ok());
            if let Some(sent) = sent {
                self.us.push(u32::try_from(now.saturating_sub(sent) / 1_000).unwrap_or(u32::MAX));
            }
        }
    }
}

/// The value below which this part of all values is; 0 if there are none. Sorts.
pub(crate) fn percentile(values: &mut [u32], part: f64) -> u32 {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * part).round() as usize).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_stamp_that_comes_in_two_parts_is_one_delivery() {
        let clock = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let mut watch = Watch::timed(1, clock);
        watch.see(0, b"...|0000000000000000xx|00000000");
        watch.see(0, b"00000000xx\r\n");
        assert_eq!(watch.total(), 2);
        assert_eq!(watch.times.unwrap().us.iter().filter(|us| **us >= 1_000_000).count(), 2);
    }

    #[test]
    fn percentiles_of_a_hundred_and_of_none() {
        let mut values: Vec<u32> = (0..=100).rev().collect();
        assert_eq!((percentile(&mut values, 0.5), percentile(&mut values, 0.99)), (50, 99));
        assert_eq!(percentile(&mut [], 0.5), 0);
    }
}
