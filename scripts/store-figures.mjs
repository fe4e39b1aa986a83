// Prints, as a part of docs/benchmarks.md, what `cargo bench --bench lane` has left in target/criterion, and what
// `cargo bench` has printed for `pace` and `sizes`: `store-figures.mjs CRITERION PACE SIZES`.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

const [criterion, pace, sizes] = process.argv.slice(2);
const read = (...place) => JSON.parse(readFileSync(join(criterion, ...place), "utf8"));

// Sets a second: the median, and its interval of confidence.
function rate(lanes, what) {
    const { throughput } = read(`${lanes} lanes`, what, "new", "benchmark.json");
    const { median } = read(`${lanes} lanes`, what, "new", "estimates.json");
    const perSecond = (nanoseconds) => (throughput.Elements * 1e9) / nanoseconds;
    const { lower_bound, upper_bound } = median.confidence_interval;
    return { median: perSecond(median.point_estimate), from: perSecond(upper_bound), to: perSecond(lower_bound) };
}

const cell = ({ median, from, to }) => `${Math.round(median)} (${Math.round(from)}–${Math.round(to)})`;

const git = (...what) => execFileSync("git", what, { encoding: "utf8" }).trim();
// The page itself is being written.
const isDirty = git("status", "--porcelain", "--", ":!docs") !== "";
const commit = git("rev-parse", "--short=7", "HEAD") + (isDirty ? "-dirty" : "");
const today = new Date().toISOString().slice(0, 10);

console.log(`## The engine on PostgreSQL, without sockets

Commit ${commit}, ${today}; ${cpus().length} × ${cpus()[0].model}; written by \`make bench-store\`. The runtime has a worker for each
processor but one, which is PostgreSQL's: with a worker for each, they and its backend wait for one another's turns to end.

### The lane

    cargo bench --bench lane

Sets a second, medians with their 95 % intervals, each set one event and one row, flushed. *Bare* is one insert of the same
rows by arrays, without a look at what is there; *fenced* is the store's statement, in batches of 256 on each lane; *engine*
is commands of twice as many athletes to the engine, which commits them through the same statement. Aim: the engine within
25 % of fenced. A set takes about as much processor time in the engine as in PostgreSQL: a lane, of which there is one by
default, wants a processor for each of them. Where there are fewer, the engine takes from the backends what *fenced* has whole.

| lanes | bare | fenced | engine | engine / fenced | |
|---|---|---|---|---|---|`);
for (const lanes of [1, 2, 4]) {
    const [bare, fenced, engine] = ["bare insert", "fenced", "engine"].map((what) => rate(lanes, what));
    const share = engine.median / fenced.median;
    const verdict = share >= 0.75 ? "met" : "**missed**";
    console.log(`| ${lanes} | ${cell(bare)} | ${cell(fenced)} | ${cell(engine)} | ${share.toFixed(2)} | ${verdict} |`);
}
console.log(`
### At a quarter of capacity

    cargo bench --bench pace

512 athletes by one lane as fast as it goes, then at a quarter of that for ten seconds, each set when it is due, five times.
Delays count from that moment. Aim, at each percentile: a commit and one millisecond. A slow commit is one among twenty
thousand, but hundreds of sets gather behind it, and each waits for the commit under way and for its own: the longest
acknowledgement is about two of the longest commits. In brackets is what passed beside these two: what the engine takes, or
does not get from the machine in time.
`);
list(pace);
console.log(`
### Many sessions

    cargo bench --bench sizes
`);
list(sizes);

function list(file) {
    for (const line of readFileSync(file, "utf8").trim().split("\n")) {
        console.log(line.replace(/^ */, "$&- "));
    }
}
