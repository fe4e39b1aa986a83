//! What a connection costs that does nothing, where there are more than one process may have: many nodes hold them, and as
//! many processes of this program have the other ends.

mod hold;

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::try_join_all;
use spotter_protocol::SHARDS;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(crate) use hold::{Hold, hold};

use crate::Plan;
use crate::cluster::Cluster;
use crate::figures::Findings;
use crate::idle::{HEARTBEAT, ensure_files};
use crate::memory::held_by_all;
use crate::redis::{Private, Redis};
use crate::sampler::{metrics, read_metrics};
use crate::server::{Person, Server};

/// Connections that one node and one process hold.
const EACH_MAX: usize = 17_000;
/// How long nodes may take to share the work out.
const SHARED_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (few, many, each, watched) = match plan.quick {
        true => (60_usize, 240_usize, 80_usize, Duration::from_secs(2)),
        false => (6_000, 100_000, EACH_MAX, HEARTBEAT),
    };
    let count = many.div_ceil(each);
    ensure_files(each)?;
    let redis = Redis::Private(Box::new(Private::start().await?));
    let nodes = u16::try_from(count).context("so many nodes are not started")?;
    let cluster = Cluster::prepare(plan.server.clone(), nodes, plan.postgres.clone(), Some(redis)).await?;
    let people = cluster.node(0).add_gym("lt-crowd", many, 0).await?.athletes;
    start(&cluster).await?;
    let mut holders = Vec::with_capacity(count);
    for (number, people) in people.chunks(many.div_ceil(count)).enumerate() {
        holders.push(Holder::start(cluster.node(number), people).await?);
    }
    all(&mut holders, "log").await?;
    // Started anew, the sessions rest: what is measured is the connection.
    for node in cluster.nodes() {
        node.stop().await?;
    }
    start(&cluster).await?;
    // A node that has served a few has warmed up what all need.
    all(&mut holders, "visit").await?;
    let before = Reading::take(&cluster, watched).await?;
    all(&mut holders, &format!("more {}", few / count)).await?;
    let at_few = Reading::take(&cluster, watched).await?;
    all(&mut holders, &format!("more {}", many.div_ceil(count))).await?;
    let at_many = Reading::take(&cluster, watched).await?;
    let lost: usize =
        all(&mut holders, "lost").await?.iter().filter_map(|lost| lost.parse::<usize>().ok()).sum();
    drop(holders);
    cluster.end().await?;

    let mut findings = Findings::of(format!(
        "{count} nodes on one PostgreSQL and one Redis hold {many} connections, {count} processes have the other ends: each \
         connects an athlete, who says hello and follows a session of their own that is at rest and that any of the nodes \
         holds. Resident memory of all nodes together before ({:.1} MiB) and after ({:.1} MiB), each read once it was steady \
         for two seconds; then their processor time is read for {} s, in which nobody does anything but give a sign of life \
         in time, and each node renews its lease. The slope is from {few} connections to all. Redis and the kernel's memory \
         of sockets are not in it.",
        before.kib / 1024.0,
        at_many.kib / 1024.0,
        watched.as_secs()
    ));
    let (all, more) = (many as f64, (many - few) as f64);
    let what = format!("RSS per idle subscribed connection, {many} over {count} nodes");
    findings.at_most(&what, 6.0, (at_many.kib - before.kib) / all, "KiB", "");
    let slope = format!("the same, slope {few} → {many}");
    findings.plain(&slope, (at_many.kib - at_few.kib) / more, "KiB", "");
    let what = format!("CPU of the nodes per idle connection and second, {many} over {count} nodes");
    findings.at_most(&what, 2.0, at_many.busy_us / all, "µs", "");
    findings.plain(&slope, (at_many.busy_us - at_few.busy_us) / more, "µs", "");
    findings.invalid =
        (lost > 0).then(|| format!("{lost} of {many} connections were closed when memory was read"));
    Ok(findings)
}

/// Starts the nodes, and waits until each holds its share.
async fn start(cluster: &Cluster) -> anyhow::Result<()> {
    for node in cluster.nodes() {
        node.start().await?;
    }
    let (begun, http) = (Instant::now(), reqwest::Client::new());
    loop {
        let mut shares = Vec::new();
        for node in cluster.nodes() {
            let text = metrics(&http, &node.metrics()).await.unwrap_or_default();
            shares.push(read_metrics(&text).get("spotter_cluster_shards").copied().unwrap_or(0.0));
        }
        let all = f64::from(SHARDS);
        let least = all / shares.len() as f64 / 2.0;
        if shares.iter().sum::<f64>() == all && shares.iter().all(|share| *share >= least) {
            return Ok(());
        }
        ensure!(begun.elapsed() < SHARED_WITHIN, "the nodes do not share the work out: {shares:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What all nodes hold and use.
struct Reading {
    kib: f64,
    /// Processor time in microseconds a second.
    busy_us: f64,
}

impl Reading {
    async fn take(cluster: &Cluster, watched: Duration) -> anyhow::Result<Self> {
        let kib = held_by_all(cluster.nodes()).await?;
        let used = || cluster.nodes().iter().map(Server::cpu_s).sum::<anyhow::Result<f64>>();
        let (before, begun) = (used()?, Instant::now());
        tokio::time::sleep(watched).await;
        Ok(Self { kib, busy_us: (used()? - before) * 1e6 / begun.elapsed().as_secs_f64() })
    }
}

/// A process that holds connections to one node.
struct Holder {
    _process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    async fn start(node: &Server, people: &[Person]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["hold", &node.socket()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let (orders, answers) = process.stdin.take().zip(process.stdout.take()).context("it has no pipes")?;
        let mut holder = Self { _process: process, orders, answers: BufReader::new(answers).lines() };
        let mut list = String::new();
        for person in people {
            list += &format!("{} {}\n", person.user, person.token);
        }
        holder.orders.write_all(list.as_bytes()).await?;
        holder.ask("").await?;
        Ok(holder)
    }

    /// Gives an order, and waits for the answer.
    async fn ask(&mut self, order: &str) -> anyhow::Result<String> {
        self.orders.write_all(format!("{order}\n").as_bytes()).await?;
        self.answers.next_line().await?.context("a process that holds connections has ended")
    }
}

/// Gives all of them an order, and waits until each has done it.
async fn all(holders: &mut [Holder], order: &str) -> anyhow::Result<Vec<String>> {
    try_join_all(holders.iter_mut().map(|holder| holder.ask(order))).await
}
