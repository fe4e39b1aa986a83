//! Whether the generator had a processor when it wanted one.
//!
//! Its lag tells how late it sent. It does not tell how late it read, and it is counted only where nothing but the generator
//! was in the way, which is seldom once everybody waits. So the system is asked too: how long the threads of this
//! process ran, and how long they were ready and waited for a processor. Divided by the time that passed, the wait is how many
//! of them stood in line at any moment. A second is starved when they waited longer than they ran, so each of their
//! delays is more wait than work, and half a thread or more stood in line: the short waits of a generator that has
//! little to do are not counted, nor those of one that is busy and gets what it asks for.
//! Time that a quota or a hypervisor takes away is wait too, as far as the system knows of it. Elsewhere than on Linux
//! nothing is known, and no second is starved.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

/// Threads in line, on average over a second, from which it is starved.
const IN_LINE_MIN: f64 = 0.5;
/// How often it looks while something is done.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the threads of this process got, look by look.
#[derive(Debug, Default)]
pub(crate) struct Processor {
    threads: BTreeMap<u32, Got>,
    /// Seconds that threads were ready and waited.
    pub(crate) waited_s: f64,
    /// Seconds that were starved.
    pub(crate) starved_s: f64,
}

/// In nanoseconds, since the thread began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Got {
    ran: u64,
    waited: u64,
}

impl Processor {
    /// From now on.
    pub(crate) fn begin() -> Self {
        Self { threads: threads(), ..Self::default() }
    }

    /// Does something, and answers in what share of the time meanwhile it had none left.
    pub(crate) async fn meanwhile<T>(doing: impl Future<Output = T>) -> (T, f64) {
        let (begun, mut processor) = (Instant::now(), Self::begin());
        let (mut doing, mut last) = (pin!(doing), begun);
        loop {
            let done = tokio::time::timeout(LOOK_EVERY, &mut doing).await;
            let now = Instant::now();
            processor.look(now - last);
            last = now;
            if let Ok(done) = done {
                return (done, processor.starved_s / (now - begun).as_secs_f64().max(f64::EPSILON));
            }
        }
    }

    /// Looks; `passed` is how long ago the last look was.
    pub(crate) fn look(&mut self, passed: Duration) {
        self.note(threads(), passed);
    }

    fn note(&mut self, threads: BTreeMap<u32, Got>, passed: Duration) {
        let since = |part: fn(&Got) -> u64| {
            let of_thread = |(id, got): (&u32, &Got)| {
                let before = self.threads.get(id).map_or(0, part);
                // Less than before: the number was given to another thread.
                part(got).checked_sub(before).unwrap_or(part(got))
            };
            threads.iter().map(of_thread).sum::<u64>() as f64 / 1e9
        };
        let (ran, waited) = (since(|got| got.ran), since(|got| got.waited));
        self.threads = threads;
        self.waited_s += waited;
        if waited > ran && waited >= IN_LINE_MIN * passed.as_secs_f64() {
            self.starved_s += passed.as_secs_f64();
        }
    }
}

fn threads() -> BTreeMap<u32, Got> {
    let Ok(folder) = std::fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    let thread = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        Some((id, read(&std::fs::read_to_string(entry.path().join("schedstat")).ok()?)?))
    };
    folder.filter_map(|entry| thread(entry.ok()?)).collect()
}

/// `ran waited slices`, as `schedstat` has it.
fn read(text: &str) -> Option<Got> {
    let mut fields = text.split_whitespace().map(str::parse);
    Some(Got { ran: fields.next()?.ok()?, waited: fields.next()?.ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether a second is starved in which one thread did that, in milliseconds.
    fn starved(ran: u64, waited: u64) -> bool {
        let mut processor = Processor::default();
        let before = Got { ran: 7_000_000, waited: 9_000_000 };
        processor.note([(1, before)].into(), SECOND);
        let after = Got { ran: before.ran + ran * 1_000_000, waited: before.waited + waited * 1_000_000 };
        processor.note([(1, after)].into(), SECOND);
        processor.starved_s > 0.0
    }

    #[test]
    fn a_second_is_starved_when_threads_wait_much_and_longer_than_they_run() {
        assert!(starved(100, 900));
        assert!(!starved(20, 40), "little to do");
        assert!(!starved(1_500, 900), "busy, and served");
    }

    #[test]
    fn a_thread_that_ended_takes_nothing_back() {
        let mut processor = Processor::default();
        processor.note([(1, Got { ran: 0, waited: 2_000_000_000 })].into(), SECOND);
        processor.note([(2, Got { ran: 0, waited: 1_000_000_000 })].into(), SECOND);
        processor.note([(2, Got { ran: 5, waited: 0 })].into(), SECOND);
        assert!((processor.waited_s - 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_line_of_a_thread_is_how_long_it_ran_and_waited() {
        assert_eq!(read("141999 1322252 2\n"), Some(Got { ran: 141_999, waited: 1_322_252 }));
        assert_eq!(read(""), None);
    }
}
