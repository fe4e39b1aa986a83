//! What Linux says of this machine and of the processes on it. Elsewhere it says nothing.

use crate::results::{Host, ServerSample};

/// The machine.
pub(crate) fn host() -> Host {
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    Host {
        processor: model.trim_start_matches(['\t', ' ', ':']).to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_kib: figure(&read("/proc/meminfo"), "MemTotal:").unwrap_or(0.0) as u64,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
    }
}

/// Processor seconds of this process, in its own code and in the system.
pub(crate) fn own_cpu_s() -> f64 {
    cpu_s(std::process::id()).unwrap_or(0.0)
}

/// Processor seconds of a process.
pub(crate) fn cpu_s(process: u32) -> Option<f64> {
    Stat::of(process).map(|stat| stat.own)
}

/// Processor seconds of a process and its children; those that have ended are in its own.
pub(crate) fn family_cpu_s(first: u32) -> Option<f64> {
    let all = std::fs::read_dir("/proc").ok()?;
    let processes = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let used = processes.filter_map(|process| {
        let stat = Stat::of(process)?;
        match process == first {
            true => Some(stat.own + stat.ended_children),
            false => (stat.parent == first).then_some(stat.own),
        }
    });
    Some(used.sum())
}

/// The memory of this process, in KiB.
pub(crate) fn own_rss_kib() -> f64 {
    rss_kib(std::process::id()).unwrap_or(0.0)
}

/// The memory of a process, in KiB.
pub(crate) fn rss_kib(process: u32) -> Option<f64> {
    figure(&read(&format!("/proc/{process}/status")), "VmRSS:")
}

/// How many files this process may have open, now and at most; a program that it starts may as many.
pub(crate) fn open_files() -> Option<(u64, u64)> {
    open_files_by(&read("/proc/self/limits"))
}

/// The same, by the limits as the system lists them.
pub(crate) fn open_files_by(limits: &str) -> Option<(u64, u64)> {
    let limit = |text: &str| if text == "unlimited" { Some(u64::MAX) } else { text.parse().ok() };
    let mut fields = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace();
    Some((limit(fields.next()?)?, limit(fields.next()?)?))
}

/// The version in `spotter_build_info`.
pub(crate) fn server_version(sample: &ServerSample) -> Option<String> {
    let name = sample.metrics.keys().find(|name| name.starts_with("spotter_build_info"))?;
    Some(name.split("version=\"").nth(1)?.split('"').next()?.to_owned())
}

/// What the system says of a process; times in seconds.
struct Stat {
    parent: u32,
    own: f64,
    ended_children: f64,
}

impl Stat {
    fn of(process: u32) -> Option<Self> {
        /// What a tick of /proc is on Linux.
        const TICKS_PER_S: f64 = 100.0;
        let stat = read(&format!("/proc/{process}/stat"));
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |from: usize| -> Option<f64> {
            let two = fields.get(from..from + 2)?.iter().map(|field| field.parse::<f64>());
            two.sum::<Result<f64, _>>().ok()
        };
        let parent = fields.get(1)?.parse().ok()?;
        Some(Self { parent, own: ticks(11)? / TICKS_PER_S, ended_children: ticks(13)? / TICKS_PER_S })
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The number behind a name at the beginning of a line.
fn figure(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
