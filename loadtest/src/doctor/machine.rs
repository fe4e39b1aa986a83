//! Limits, ports, processors and clocks, as Linux says them. Elsewhere most of it cannot be read, and that is said.

use std::fs::read_to_string;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{Finding, Level};
use crate::host::open_files_by;
use crate::units::{count, delay};

/// Descriptors the generator needs besides its connections.
const DESCRIPTORS_OWN: u64 = 100;
/// Connections a run of some size wants.
const CONNECTIONS_WANTED: u64 = 10_000;
/// A share of the processors others may take before they are in the way.
const LOAD_MAX: f64 = 0.25;
/// How much later than asked a thread may wake, in microseconds. The pacer adds as much to every delay.
const WAKE_MAX_US: f64 = 500.0;
/// Reading the clock takes less, in nanoseconds, unless it needs the kernel.
const READ_MAX_NS: f64 = 500.0;
/// Loopback is 127.0.0.0/8 on Linux, each address with ports of its own.
const SECOND_LOOPBACK: &str = "127.0.0.2:0";

pub(super) fn look() -> Vec<Finding> {
    let read = |path: &str| read_to_string(path).ok();
    let ports = Ports {
        range: read("/proc/sys/net/ipv4/ip_local_port_range"),
        reserved: read("/proc/sys/net/ipv4/ip_local_reserved_ports"),
        has_second_loopback: TcpListener::bind(SECOND_LOOPBACK).is_ok(),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        descriptors(read("/proc/self/limits").as_deref(), read("/proc/sys/fs/nr_open").as_deref()),
        ports.judged(),
        processors(cores, read("/proc/loadavg").as_deref()),
        clock(
            read("/sys/devices/system/clocksource/clocksource0/current_clocksource").as_deref(),
            time_to_read(),
        ),
        timer(time_to_wake()),
    ]
}

fn unknown(name: &'static str) -> Finding {
    Finding::of(Level::Warn, name, "cannot be read on this system")
}

/// How many connections the descriptors are good for. `most` is what the system lets a hard limit be.
fn descriptors(limits: Option<&str>, most: Option<&str>) -> Finding {
    const NAME: &str = "descriptors";
    let Some((soft, hard)) = limits.and_then(open_files_by) else { return unknown(NAME) };
    let (soft, hard) = (soft.min(limit_of(most)), hard.min(limit_of(most)));
    let connections = soft.saturating_sub(DESCRIPTORS_OWN);
    let found = format!(
        "{} of at most {}, good for {} connections (the server needs as many of its own)",
        count(soft),
        count(hard),
        count(connections)
    );
    if connections >= CONNECTIONS_WANTED {
        return Finding::of(Level::Ok, NAME, found);
    }
    let advice = if hard.saturating_sub(DESCRIPTORS_OWN) >= CONNECTIONS_WANTED {
        format!("say `ulimit -n {hard}` in the shell that starts it")
    } else {
        "raise the hard limit: `LimitNOFILE=` of the service, or `nofile` in limits.conf".to_owned()
    };
    Finding::of(Level::Warn, NAME, format!("{found}; {advice}"))
}

/// A figure that limits, and does not where it cannot be read.
fn limit_of(text: Option<&str>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX)
}

/// What connections leave from.
struct Ports {
    range: Option<String>,
    reserved: Option<String>,
    has_second_loopback: bool,
}

impl Ports {
    fn judged(&self) -> Finding {
        const NAME: &str = "ports";
        let mut ends = self.range.as_deref().unwrap_or_default().split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else { return unknown(NAME) };
        let ports = (last + 1).saturating_sub(first).saturating_sub(self.reserved_in(first, last));
        let more = if self.has_second_loopback {
            "a server on loopback can be reached from 127.0.0.2, 127.0.0.3 … too, and each has as many"
        } else {
            "for more, give the machine further addresses to connect from"
        };
        let found = format!("{} from one address to one server ({first}–{last}); {more}", count(ports));
        if ports >= CONNECTIONS_WANTED {
            return Finding::of(Level::Ok, NAME, found);
        }
        let advice = "or widen the range: `sysctl net.ipv4.ip_local_port_range='10240 65535'`";
        Finding::of(Level::Warn, NAME, format!("{found}, {advice}"))
    }

    /// Ports between `first` and `last` that are kept for others, as in `8080,9148-9150`.
    fn reserved_in(&self, first: u64, last: u64) -> u64 {
        let parts = self.reserved.as_deref().unwrap_or_default().trim().split(',');
        let within = |part: &str| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            Some((to.min(last) + 1).saturating_sub(from.max(first)))
        };
        parts.filter_map(within).sum()
    }
}

fn processors(cores: usize, load: Option<&str>) -> Finding {
    const NAME: &str = "processors";
    let load = load.and_then(|load| load.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0);
    let found = format!("{cores}, of which others use {load:.1}");
    if load > LOAD_MAX * cores as f64 {
        let said = format!("{found}: end what else runs, or the generator is late and the run invalid");
        return Finding::of(Level::Warn, NAME, said);
    }
    if cores < 4 {
        let said =
            format!("{found}: a server on this machine shares them with the generator; compare ratios only");
        return Finding::of(Level::Warn, NAME, said);
    }
    Finding::of(Level::Ok, NAME, found)
}

fn clock(source: Option<&str>, read_ns: f64) -> Finding {
    const NAME: &str = "clock";
    let found = format!("{}, read in {read_ns:.0} ns", source.map_or("unknown", str::trim));
    if read_ns <= READ_MAX_NS {
        return Finding::of(Level::Ok, NAME, found);
    }
    let said = format!(
        "{found}: each reading enters the kernel; choose tsc or the hypervisor's clock, if there is one"
    );
    Finding::of(Level::Warn, NAME, said)
}

/// What it costs to read the clock, in nanoseconds.
fn time_to_read() -> f64 {
    const READINGS: u32 = 10_000;
    let begun = Instant::now();
    for _ in 0..READINGS {
        std::hint::black_box(Instant::now());
    }
    begun.elapsed().as_nanos() as f64 / f64::from(READINGS)
}

fn timer(late: (f64, f64)) -> Finding {
    const NAME: &str = "timer";
    let (median, p99) = late;
    let found = format!("a thread wakes {} late, one time in a hundred {}", delay(median), delay(p99));
    if p99 <= WAKE_MAX_US {
        return Finding::of(Level::Ok, NAME, found);
    }
    let said = format!("{found}: delays below that are the generator's own; free a processor for it");
    Finding::of(Level::Warn, NAME, said)
}

/// How much later than asked a thread wakes, in microseconds: in the middle, and one time in a hundred.
#[expect(clippy::disallowed_methods, reason = "how long a thread really sleeps is what is measured")]
fn time_to_wake() -> (f64, f64) {
    const SLEEPS: usize = 300;
    const ASKED: Duration = Duration::from_micros(500);
    let late = |_| {
        let begun = Instant::now();
        std::thread::sleep(ASKED);
        begun.elapsed().saturating_sub(ASKED).as_nanos() as f64 / 1_000.0
    };
    let mut late: Vec<f64> = (0..SLEEPS).map(late).collect();
    late.sort_by(f64::total_cmp);
    (late[SLEEPS / 2], late[SLEEPS - SLEEPS / 100])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(soft: &str, hard: &str) -> String {
        format!("Limit  Soft Limit  Hard Limit  Units\nMax open files            {soft}   {hard}   files\n")
    }

    #[test]
    fn a_low_soft_limit_is_raised_by_the_shell_and_a_low_hard_one_by_the_service() {
        let found = descriptors(Some(&limits("1024", "524288")), Some("1048576\n"));
        assert_eq!(found.level, Level::Warn);
        assert!(found.said.contains("good for 924 connections") && found.said.contains("`ulimit -n 524288`"));

        let found = descriptors(Some(&limits("1024", "4096")), None);
        assert!(found.said.contains("LimitNOFILE="), "{found}");
    }

    #[test]
    fn a_limit_is_never_above_what_the_system_allows() {
        let found = descriptors(Some(&limits("unlimited", "unlimited")), Some("1048576\n"));
        assert!(
            found.level == Level::Ok && found.said.starts_with("1,048,576 of at most 1,048,576"),
            "{found}"
        );
    }

    #[test]
    fn reserved_ports_are_not_counted() {
        let ports = |range: &str, reserved: &str| Ports {
            range: Some(range.to_owned()),
            reserved: Some(reserved.to_owned()),
            has_second_loopback: true,
        };
        let found = ports("32768\t60999\n", "8080,40000-40009,60999\n").judged();
        assert!(found.level == Level::Ok && found.said.starts_with("28,221 from one address"), "{found}");
        let found = ports("60000\t60999\n", "\n").judged();
        assert!(found.level == Level::Warn && found.said.contains("ip_local_port_range"), "{found}");
    }

    #[test]
    fn a_busy_machine_and_a_small_one_are_told_apart() {
        assert!(processors(8, Some("6.10 5.00 4.00 1/200 1\n")).said.contains("end what else runs"));
        assert!(processors(2, Some("0.10 0.00 0.00 1/200 1\n")).said.contains("shares them"));
        assert_eq!(processors(8, Some("0.10 0.00 0.00 1/200 1\n")).level, Level::Ok);
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_so() {
        assert_eq!(descriptors(None, None).said, "cannot be read on this system");
    }

    #[test]
    fn a_clock_that_enters_the_kernel_and_a_thread_that_wakes_late_are_warned_of() {
        assert_eq!(clock(Some("tsc\n"), 25.0).level, Level::Ok);
        assert_eq!(clock(Some("hpet\n"), 1_500.0).level, Level::Warn);
        assert_eq!(timer((60.0, 120.0)).level, Level::Ok);
        assert_eq!(timer((60.0, 4_000.0)).level, Level::Warn);
    }
}
