//! A run as it may have been, for tests: an evening at a gym whose server is killed once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::pacer::histogram;
use crate::results::{
    Delays, Fault, Generator, Host, Interval, IntervalOperation, Ledger, Operation, Results, Run, SCHEMA,
    ServerSample, Stage, Threshold, Verdict,
};

const SECONDS: u32 = 120;
/// When the server is killed, and when everybody is back.
const KILLED_AT: u32 = 75;
const BACK_AT: u32 = 79;
/// Each operation: how many a second at full load, and its usual delay in microseconds.
const KINDS: [(&str, f64, f64); 6] = [
    ("cue", 6.0, 700.0),
    ("delivery", 160.0, 560.0),
    ("message", 14.0, 640.0),
    ("set", 80.0, 480.0),
    ("start", 2.0, 900.0),
    ("tile", 40.0, 48_000.0),
];

/// A run that depends on its seed alone. Every delay is `slower` times the usual.
pub(crate) fn run(seed: u64, slower: f64) -> Results {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut whole: BTreeMap<String, Histogram<u64>> = BTreeMap::new();
    let mut errors: BTreeMap<String, u64> = BTreeMap::new();
    let mut intervals = Vec::new();
    let mut cpu_s = 0.31;
    for second in 0..SECONDS {
        let (load, down) = (load_in(second), (KILLED_AT..BACK_AT).contains(&second));
        let mut operations = BTreeMap::new();
        for (name, rate, usual) in kinds_in(second) {
            let asked = (rate * load * chance.random_range(0.85..1.15)).round() as u64;
            if down {
                *errors.entry(name.to_owned()).or_default() += asked / 20;
                let refused = IntervalOperation { errors: asked / 20, ..IntervalOperation::default() };
                operations.insert(name.to_owned(), refused);
                continue;
            }
            // Whoever waited for the server waited a second or so.
            let has_waited = second == BACK_AT && !["connect", "resume"].contains(&name);
            let waited = if has_waited { 900_000 } else { 0 };
            let mut of_second = histogram().unwrap();
            for _ in 0..asked {
                let delay = delay(&mut chance, usual * slower * (0.8 + 0.4 * load));
                of_second.saturating_record(waited + delay);
            }
            whole.entry(name.to_owned()).or_insert_with(|| histogram().unwrap()).add(&of_second).unwrap();
            let delay = delays(&of_second);
            operations.insert(name.to_owned(), IntervalOperation { count: asked, errors: 0, delay });
        }
        let done: u64 = operations.values().map(|operation: &IntervalOperation| operation.count).sum();
        cpu_s = if second == BACK_AT { 0.22 } else { cpu_s };
        cpu_s = hundredths(cpu_s + (0.02 + done as f64 * 0.000_35) * slower * chance.random_range(0.9..1.1));
        let connections = if down { 0 } else { (640.0 * load).round() as u64 };
        let server = (!down).then(|| server(cpu_s, f64::from(second), connections, done, &mut chance));
        intervals.push(Interval { at: f64::from(second + 1), connections, operations, server });
    }
    let operations: BTreeMap<String, Operation> = whole
        .into_iter()
        .map(|(name, histogram)| {
            let failed = errors.get(&name).filter(|failed| **failed > 0);
            let errors = failed.map(|failed| ("closed".to_owned(), *failed)).into_iter().collect();
            let (count, delay) = (histogram.len(), delays(&histogram));
            (name, Operation { count, errors, delay, histogram: encoded(&histogram) })
        })
        .collect();
    let acknowledged = operations.iter().filter(|(name, _)| !["delivery", "tile"].contains(&name.as_str()));
    let ledger = Ledger {
        acknowledged: acknowledged.map(|(_, operation)| operation.count).sum(),
        delivered: operations["delivery"].count,
        ..Ledger::default()
    };
    Results {
        schema: SCHEMA,
        run: about(seed),
        host: Host {
            processor: "AMD EPYC 7543P 32-Core Processor".to_owned(),
            cores: 8,
            memory_kib: 32_768_000,
            kernel: "6.12.9".to_owned(),
        },
        stages: [("warm-up", 0.0, 20.0), ("evening", 20.0, 100.0), ("closing", 100.0, 120.0)]
            .map(|(name, from, to)| Stage { name: name.to_owned(), from, to })
            .to_vec(),
        thresholds: thresholds(&operations),
        aborted: None,
        operations,
        intervals,
        faults: vec![Fault {
            at: f64::from(KILLED_AT),
            what: "kill server".to_owned(),
            consistent_after: Some(4.8),
        }],
        ledger,
        generator: Generator {
            lag: Delays { mean: 41.2, p50: 32, p90: 71, p99: 164, p999: 402, max: 911 },
            cpu_s: 11.4,
            rss_kib: 61_440.0,
            waited_s: 1.3,
            starved_s: 0.0,
        },
        verdict: Verdict::Passed,
    }
}

fn about(seed: u64) -> Run {
    Run {
        name: "gym-evening".to_owned(),
        scenario: "name = \"gym-evening\"\n\n[[stages]]\nname = \"warm-up\"\nseconds = 20\nramp_to = 80\n\n\
                   [[stages]]\nname = \"evening\"\nseconds = 80\nrate = 80\n\n[[stages]]\nname = \"closing\"\n\
                   seconds = 20\nramp_to = 8\n"
            .to_owned(),
        seed,
        started_at: 1_795_284_000_000_000,
        seconds: f64::from(SECONDS),
        target: "ws://127.0.0.1:8080".to_owned(),
        database: Some("SQLite".to_owned()),
        server_version: Some("spotter 0.1.0".to_owned()),
        version: "0.1.0".to_owned(),
        nodes: None,
        workers: None,
    }
}

fn thresholds(operations: &BTreeMap<String, Operation>) -> Vec<Threshold> {
    let p50 = operations["set"].delay.p50 as f64 / 1_000.0;
    vec![
        Threshold { what: "set.p50 < 5ms".to_owned(), measured: format!("{p50:.2}ms"), met: p50 < 5.0 },
        Threshold { what: "lost = 0".to_owned(), measured: "0".to_owned(), met: true },
    ]
}

/// The share of the full load.
fn load_in(second: u32) -> f64 {
    match second {
        0..20 => f64::from(second + 1) / 20.0,
        100.. => f64::from(SECONDS - second) / 22.0,
        _ => 1.0,
    }
}

/// What is done in a second. Whoever was cut off connects and resumes.
fn kinds_in(second: u32) -> Vec<(&'static str, f64, f64)> {
    let mut kinds = KINDS.to_vec();
    match second {
        0..20 => kinds.push(("connect", 64.0, 1_900.0)),
        BACK_AT => kinds.extend([("connect", 640.0, 5_100.0), ("resume", 640.0, 3_300.0)]),
        _ => {}
    }
    kinds
}

/// A delay in microseconds: most are near the usual, one in thirty is not.
fn delay(chance: &mut StdRng, usual: f64) -> u64 {
    let near = usual * (0.75 + 0.5 * chance.random::<f64>());
    let far = if chance.random_ratio(1, 30) { 1.0 / (chance.random::<f64>() + 0.000_1).sqrt() } else { 0.0 };
    (near * (1.0 + 2.0 * far)) as u64
}

fn server(cpu_s: f64, second: f64, connections: u64, done: u64, chance: &mut StdRng) -> ServerSample {
    let mut metrics = BTreeMap::new();
    let open = connections as f64;
    metrics.insert("spotter_ws_connections{role=\"athlete\"}".to_owned(), (open * 0.9).round());
    metrics.insert("spotter_ws_connections{role=\"coach\"}".to_owned(), (open * 0.1).round());
    metrics.insert("spotter_actors".to_owned(), (open * 0.8).round());
    metrics.insert("spotter_journal_batch_appends_count".to_owned(), second * 61.0);
    metrics.insert("spotter_journal_batch_appends_sum".to_owned(), second * 96.0 + done as f64);
    metrics.insert("spotter_ws_messages_total{dir=\"in\"}".to_owned(), second * 104.0);
    metrics.insert("spotter_ws_messages_total{dir=\"out\"}".to_owned(), second * 287.0);
    ServerSample {
        cpu_s: Some(cpu_s),
        rss_kib: Some((52_000.0 + open * 8.2 + second * 21.0 + chance.random_range(0.0..300.0)).round()),
        database_cpu_s: None,
        metrics,
    }
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn delays(histogram: &Histogram<u64>) -> Delays {
    let at = |quantile| histogram.value_at_quantile(quantile);
    Delays {
        mean: histogram.mean().round(),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: histogram.max(),
    }
}

fn encoded(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).unwrap();
    BASE64_STANDARD.encode(bytes)
}

/// Where the example lies that tests of the program read.
fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/gym-evening.results.json")
}

#[test]
fn the_example_on_disk_is_what_this_makes() {
    let made = serde_json::to_string(&run(7, 1.0)).unwrap() + "\n";
    if std::env::var_os("WRITE_EXAMPLE").is_some() {
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), &made).unwrap();
    }
    let kept = std::fs::read_to_string(file()).unwrap();
    assert!(kept == made, "write it anew with WRITE_EXAMPLE=1, and look at what changed");
    assert_eq!(crate::saved::read(&file()).unwrap().operations.len(), 8);
}
