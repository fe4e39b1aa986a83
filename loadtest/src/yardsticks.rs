//! Spotter beside servers that do the same work without the engine (`loadtest/yardsticks`): the same load on the same
//! PostgreSQL, in rounds in which each has its turn, so that whatever else the machine does meets all of them.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use crate::figures::{median, range, shown};
use crate::idle::ensure_files;
use crate::latency::{self, ms};
use crate::postgres::Postgres;
use crate::report::{Verdict, machine};
use crate::server::{Kind, Person, Server, Used};
use crate::{Plan, throughput};

/// How often each has its turn at each load.
const ROUNDS: usize = 3;
/// What is measured in each round, in the order of the table.
const LOADS: [Load; 4] = [
    Load::Fast,
    Load::Steady { rate: 500, athletes: 500 },
    Load::Steady { rate: 2_000, athletes: 1_000 },
    Load::Steady { rate: 10_000, athletes: 2_000 },
];
/// The most that a load needs.
const ATHLETES: usize = 2_000;
/// Athletes of the closed loop.
const FAST_ATHLETES: usize = 500;
/// The longest measurement in seconds: within it nobody of a steady load fills the session that a device follows.
const SECONDS_MAX: i64 = 20;
/// A measurement that takes longer, a backlog that is worked off included, is given up.
const MEASURED_WITHIN: Duration = Duration::from_secs(180);
/// What a server whose measurement failed may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Yardsticks {
    /// Spotter's program
    #[arg(long, value_parser = crate::program)]
    server: PathBuf,
    /// The PostgreSQL server all of them use, as a user who may make databases: postgres://user@host:port
    #[arg(long)]
    postgres: String,
    /// The first process of that server, on this machine: its processor time is measured
    #[arg(long)]
    postmaster: u32,
    /// The program of loadtest/yardsticks/bare; the table has ratios to it
    #[arg(long, value_parser = crate::program)]
    bare: Option<PathBuf>,
    /// The folder loadtest/yardsticks/socketio, its packages installed
    #[arg(long)]
    socketio: Option<PathBuf>,
    /// How long each measurement lasts
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=SECONDS_MAX))]
    seconds: u32,
}

#[derive(Clone, Copy, Debug)]
enum Load {
    /// Closed loop.
    Fast,
    /// Open loop, at so many sets a second of all athletes together.
    Steady { rate: u32, athletes: usize },
}

/// A server with those who use it.
struct Contender {
    kind: Kind,
    server: Server,
    people: Vec<Person>,
}

/// A figure's name and its value.
type Sample = (String, f64);

/// What one measurement came to.
struct Measured {
    samples: Vec<Sample>,
    /// Why the load was not what it should have been.
    invalid: Option<String>,
    /// What the server lost, doubled or reordered.
    broken: Option<String>,
}

/// Measures all of them in turn and prints the table.
pub(crate) async fn compare(asked: &Yardsticks) -> anyhow::Result<Verdict> {
    // An athlete and their second device.
    ensure_files(2 * ATHLETES)?;
    let mut contenders = prepare(asked).await?;
    let mut table = Table::of(contenders.iter().map(|contender| contender.kind).collect());
    let mut verdict = Verdict::Ran;
    for round in 0..ROUNDS {
        for load in LOADS {
            for turn in 0..contenders.len() {
                let column = (round + turn) % contenders.len();
                let contender = &mut contenders[column];
                let what = format!("{}, {}, round {}", contender.kind.name(), load.name(), round + 1);
                eprintln!("measuring {what} …");
                let met = match contender.measure(load, asked.seconds).await {
                    Ok(measured) => table.take(column, &what, measured),
                    Err(error) => {
                        table.troubles.push(format!("{what}: FAILED: {error:#}"));
                        Verdict::Failed
                    }
                };
                verdict = verdict.max(met);
            }
        }
    }
    print!("{}", table.page(asked.seconds)?);
    Ok(verdict)
}

async fn prepare(asked: &Yardsticks) -> anyhow::Result<Vec<Contender>> {
    let postgres = Postgres::running(&asked.postgres, Some(asked.postmaster));
    let programs = [
        (Kind::Spotter, Some(&asked.server)),
        (Kind::Bare, asked.bare.as_ref()),
        (Kind::SocketIo, asked.socketio.as_ref()),
    ];
    let mut contenders = Vec::new();
    for (kind, program) in programs {
        let Some(program) = program else { continue };
        let plan = Plan { kind, server: program.clone(), quick: false, postgres: Some(postgres.clone()) };
        let server = Server::prepare(&plan).await?;
        let (people, _) = server.populate(ATHLETES).await?;
        contenders.push(Contender { kind, server, people });
    }
    Ok(contenders)
}

impl Contender {
    /// Starts the server, measures and stops it, however it went.
    async fn measure(&mut self, load: Load, seconds: u32) -> anyhow::Result<Measured> {
        let measured = tokio::time::timeout(MEASURED_WITHIN, self.put_under(load, seconds)).await;
        let measured = measured.unwrap_or_else(|_| bail!("not done within {MEASURED_WITHIN:?}"));
        if measured.is_err() {
            // One that hangs is killed when it is given up; one that has ended already needs nothing.
            _ = tokio::time::timeout(STOPPED_WITHIN, self.server.stop()).await;
        }
        measured
    }

    async fn put_under(&mut self, load: Load, seconds: u32) -> anyhow::Result<Measured> {
        self.server.start().await?;
        let name = load.name();
        match load {
            Load::Fast => {
                let people = &self.people[..FAST_ATHLETES];
                let mut athletes = throughput::connect(&self.server, people).await?;
                let run = throughput::run(&self.server, &mut athletes, seconds.into()).await?;
                // A server may wait for the goodbye of who no longer reads.
                drop(athletes);
                self.server.stop().await?;
                let mut samples = vec![(format!("acknowledged sets/s, {name}"), run.sets_per_s)];
                samples.extend(costs(run.each, &name));
                Ok(Measured { samples, invalid: None, broken: None })
            }
            Load::Steady { rate, athletes } => {
                let people = &self.people[..athletes];
                let steady = latency::run(&self.server, people, rate, seconds).await?;
                let delay = |what, delays, quantile, named| {
                    (format!("{what}, {name}, {named}, ms"), ms(delays, quantile))
                };
                let mut samples = vec![
                    delay("acknowledgement", &steady.acks, 0.5, "p50"),
                    delay("acknowledgement", &steady.acks, 0.99, "p99"),
                    delay("delivery", &steady.deliveries, 0.5, "p50"),
                    delay("delivery", &steady.deliveries, 0.99, "p99"),
                ];
                samples.extend(costs(steady.each, &name));
                Ok(Measured { samples, invalid: steady.invalid(), broken: steady.broken })
            }
        }
    }
}

impl Load {
    fn name(self) -> String {
        match self {
            Self::Fast => "as fast as it goes".to_owned(),
            Self::Steady { rate, .. } => format!("{rate} sets/s"),
        }
    }
}

/// Processor time, of the server and of PostgreSQL.
fn costs(each: Used, name: &str) -> Vec<Sample> {
    let cost = |whose, s: f64| (format!("{whose} CPU, {name}, ms per 1,000 sets"), s * 1_000_000.0);
    let mut costs = vec![cost("server", each.server_s)];
    costs.extend(each.database_s.map(|s| cost("PostgreSQL", s)));
    costs
}

/// All samples: a row for each figure, in the order in which they came, a column for each server.
struct Table {
    columns: Vec<Kind>,
    rows: Vec<(String, Vec<Vec<f64>>)>,
    troubles: Vec<String>,
}

impl Table {
    const fn of(columns: Vec<Kind>) -> Self {
        Self { columns, rows: Vec::new(), troubles: Vec::new() }
    }

    /// Takes a measurement, and says what it is worth. A yardstick that loses something is a poor one; only Spotter
    /// is on trial.
    fn take(&mut self, column: usize, what: &str, measured: Measured) -> Verdict {
        for (name, value) in measured.samples {
            eprintln!("  {name}: {}", shown(value));
            self.note(column, name, value);
        }
        let mut verdict = Verdict::Ran;
        if let Some(why) = measured.invalid {
            self.troubles.push(format!("{what}: INVALID: {why}"));
            verdict = Verdict::Invalid;
        }
        if let Some(why) = measured.broken {
            self.troubles.push(format!("{what}: BROKEN: {why}"));
            if self.columns[column] == Kind::Spotter {
                verdict = Verdict::Broken;
            }
        }
        verdict
    }

    fn note(&mut self, column: usize, name: String, value: f64) {
        let row = self.rows.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.rows.push((name, vec![Vec::new(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[row].1[column].push(value);
    }

    fn page(&self, seconds: u32) -> anyhow::Result<String> {
        let floor = self.columns.iter().position(|kind| *kind == Kind::Bare);
        let others = |floor| (0..self.columns.len()).filter(move |n| *n != floor).map(move |n| (n, floor));
        let compared: Vec<(usize, usize)> = floor.into_iter().flat_map(others).collect();
        let mut page = String::new();
        writeln!(
            page,
            "## Beside servers without an engine\n\n{}\n\n    spotter-load yardsticks --seconds {seconds} --server spotter \
             --postgres postgres://spotter@127.0.0.1:5432 --postmaster PID --bare bare --socketio loadtest/yardsticks/socketio\n",
            machine()
        )?;
        writeln!(
            page,
            "Medians of {ROUNDS} rounds, least and most in brackets; {seconds} s each, in turn, on one PostgreSQL. As fast as it \
             goes: {FAST_ATHLETES} athletes, each with two commands under way. At a steady rate: delays from planned times, \
             each athlete followed by a second device; one command in eleven plans an exercise instead of logging a \
             set. Ratios are of medians. What the servers do and leave out: `loadtest/yardsticks/README.md`.\n"
        )?;
        if cfg!(debug_assertions) {
            writeln!(
                page,
                "**The generator was not optimised: it took more of the shared cores than it needs.**\n"
            )?;
        }
        let names = self.columns.iter().map(|kind| kind.name().to_owned());
        let ratios = compared
            .iter()
            .map(|&(n, floor)| format!("{} ÷ {}", self.columns[n].name(), self.columns[floor].name()));
        let heads: Vec<_> = names.chain(ratios).collect();
        writeln!(page, "| | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()))?;
        for (name, samples) in &self.rows {
            let cells = samples.iter().map(|samples| cell(samples));
            let ratios = compared.iter().map(|&(n, floor)| ratio(&samples[n], &samples[floor]));
            writeln!(page, "| {name} | {} |", cells.chain(ratios).collect::<Vec<_>>().join(" | "))?;
        }
        for trouble in &self.troubles {
            write!(page, "\n- **{trouble}**")?;
        }
        if !self.troubles.is_empty() {
            writeln!(page)?;
        }
        Ok(page)
    }
}

fn cell(samples: &[f64]) -> String {
    match samples {
        [] => "–".to_owned(),
        [only] => shown(*only),
        several => format!("{} ({})", shown(median(several)), range(several)),
    }
}

fn ratio(samples: &[f64], floor: &[f64]) -> String {
    let ratio = median(samples) / median(floor);
    if ratio.is_finite() { shown(ratio) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: f64) -> Measured {
        Measured { samples: vec![("sets/s".to_owned(), value)], invalid: None, broken: None }
    }

    #[test]
    fn every_other_server_is_a_ratio_of_the_floor() {
        let mut table = Table::of(vec![Kind::Spotter, Kind::Bare, Kind::SocketIo]);
        for (column, value) in [(0, 10.0), (0, 30.0), (0, 20.0), (1, 40.0)] {
            table.take(column, "", measured(value));
        }

        let page = table.page(15).unwrap();

        assert!(
            page.contains("| | spotter | bare | socketio | spotter ÷ bare | socketio ÷ bare |\n"),
            "{page}"
        );
        assert!(page.contains("| sets/s | 20.0 (10.0–30.0) | 40.0 | – | 0.50 | – |\n"), "{page}");
    }

    #[test]
    fn only_what_spotter_loses_breaks_a_comparison() {
        let mut table = Table::of(vec![Kind::Spotter, Kind::SocketIo]);
        let broken = || Measured { broken: Some("version 4 came after 4".to_owned()), ..measured(1.0) };

        assert_eq!(table.take(1, "socketio", broken()), Verdict::Ran);
        assert_eq!(table.take(0, "spotter", broken()), Verdict::Broken);

        assert!(table.page(15).unwrap().contains("- **socketio: BROKEN: version 4 came after 4**"));
    }
}
