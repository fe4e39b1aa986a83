//! The machine of the generator, and what the generator itself uses.

use crate::results::{Host, ServerSample};

/// The machine.
pub(crate) fn host() -> Host {
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    Host {
        processor: model.trim_start_matches(['\t', ' ', ':']).to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_kib: figure(&read("/proc/meminfo"), "MemTotal:") as u64,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// Processor seconds of this process, in its own code and in the system.
pub(crate) fn own_cpu_s() -> f64 {
    cpu_s("self")
}

/// Processor seconds of a process, by its number.
pub(crate) fn cpu_s(process: &str) -> f64 {
    /// What a tick of /proc is on Linux.
    const TICKS_PER_S: f64 = 100.0;
    let stat = read(&format!("/proc/{process}/stat"));
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_S
}

/// The memory of this process, in KiB.
pub(crate) fn own_rss_kib() -> f64 {
    figure(&read("/proc/self/status"), "VmRSS:")
}

/// The version in `spotter_build_info`.
pub(crate) fn server_version(sample: &ServerSample) -> Option<String> {
    let name = sample.metrics.keys().find(|name| name.starts_with("spotter_build_info"))?;
    Some(name.split("version=\"").nth(1)?.split('"').next()?.to_owned())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The number behind a name at the beginning of a line; 0 where there is none.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
