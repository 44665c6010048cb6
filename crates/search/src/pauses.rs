//! Owns the end of a search and its pauses: how it leaves the processor to other threads. SQLite calls it while it works
//! for a search. Never knows what is searched.

use std::time::{Duration, Instant};

/// SQLite checks the clock after this many steps of its virtual machine. Each step may read a page of the index:
/// 100 steps together would take a few milliseconds.
pub(crate) const STEPS: i32 = 10;

/// A search works for this time, then pauses. Without pauses it would make other threads wait until the end of its
/// time slice, which is a few milliseconds.
const TURN: Duration = Duration::from_micros(500);
/// The pause of a short search, in which a waiting thread gets the processor.
const SHORT_PAUSE: Duration = Duration::from_micros(50);
/// A search that takes longer than this pauses for as long as it works, so a thread that wakes up finds a free
/// processor even if there are few.
const LONG: Duration = Duration::from_millis(5);

/// When a search pauses, and for how long.
#[derive(Debug)]
struct Pauses {
    began: Instant,
    next: Instant,
}

impl Pauses {
    fn new(began: Instant) -> Self {
        Self { began, next: began + TURN }
    }

    /// The pause that begins now; `None`: the search goes on.
    fn at(&mut self, now: Instant) -> Option<Duration> {
        (now >= self.next).then(|| {
            let pause = if now < self.began + LONG { SHORT_PAUSE } else { TURN };
            self.next = now + pause + TURN;
            pause
        })
    }
}

/// Tells SQLite whether to interrupt its statement. Also pauses the search.
pub(crate) fn interrupt_at(until: Instant) -> impl FnMut() -> bool + Send + 'static {
    let mut pauses = Pauses::new(Instant::now());
    move || {
        let now = Instant::now();
        if let Some(pause) = pauses.at(now) {
            std::thread::sleep(pause);
        }
        now >= until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_search_gives_half_of_its_time_to_others_and_a_short_one_a_tenth() {
        let began = Instant::now();
        for (time, share) in [(LONG, 5..=10), (20 * LONG, 46..=50)] {
            let mut pauses = Pauses::new(began);
            let (mut now, mut paused) = (began, Duration::ZERO);
            while now < began + time {
                let pause = pauses.at(now).unwrap_or_default();
                paused += pause;
                // SQLite looks at the clock much more often than a search pauses.
                now += pause + TURN / 50;
            }
            let percent = paused.as_micros() * 100 / time.as_micros();
            assert!(share.contains(&percent), "{percent} % of {time:?}");
        }
    }
}
