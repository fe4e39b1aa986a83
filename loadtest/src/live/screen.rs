//! The run on a terminal. It is left as it was however the run ends.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Stdout, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Paragraph, Row, Sparkline, Table};
use ratatui::{Frame, Terminal};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Now, line};
use crate::results::{Fault, Stage};
use crate::scenario::Scenario;
use crate::units::{count, delay, length, memory};

/// Seconds that are drawn.
const PAST_MAX: usize = 300;
/// Faults that are listed.
const FAULTS_MAX: u16 = 5;
/// Whose rate is drawn, and whose delay.
const DRAWN: &str = "set";

/// A terminal that shows a run.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// How keys were answered before.
    keys: Option<Termios>,
    /// Somebody panicked and has the terminal back.
    is_left: Arc<AtomicBool>,
    shown: Shown,
}

impl Screen {
    /// Takes the terminal. Ctrl-C goes on to mean what it means; other keys leave no trace.
    pub(super) fn open(scenario: &Scenario) -> anyhow::Result<Self> {
        let keys = tcgetattr(stdin()).ok();
        if let Some(keys) = &keys {
            let mut silent = keys.clone();
            silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            tcsetattr(stdin(), OptionalActions::Now, &silent)?;
        }
        let is_left = Arc::new(AtomicBool::new(false));
        let (before, left, of_keys) = (std::panic::take_hook(), Arc::clone(&is_left), keys.clone());
        std::panic::set_hook(Box::new(move |panic| {
            if !left.swap(true, Ordering::SeqCst) {
                leave(of_keys.as_ref());
            }
            before(panic);
        }));
        execute!(stdout(), EnterAlternateScreen)?;
        let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        terminal.hide_cursor()?;
        Ok(Self { terminal, keys, is_left, shown: Shown::of(scenario) })
    }

    pub(super) fn show(&mut self, now: &Now) {
        self.shown.note(now);
        // A terminal that is gone takes nothing from the run.
        if self.is_left.load(Ordering::SeqCst) || self.draw().is_err() {
            eprintln!("{}", line(&now.interval));
        }
    }

    fn draw(&mut self) -> std::io::Result<()> {
        // A server that was started for the run writes its warnings to the same terminal.
        self.terminal.clear()?;
        self.terminal.draw(|frame| self.shown.draw(frame))?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !self.is_left.swap(true, Ordering::SeqCst) {
            leave(self.keys.as_ref());
        }
    }
}

/// A terminal that is gone needs nothing back.
fn leave(keys: Option<&Termios>) {
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    if let Some(keys) = keys {
        // What was typed meanwhile was not meant for the shell.
        let _ = tcsetattr(stdin(), OptionalActions::Flush, keys);
    }
}

/// What is on the screen.
struct Shown {
    name: String,
    stages: Vec<Stage>,
    run: Duration,
    /// Answered well and not, since the run began.
    totals: BTreeMap<String, (u64, u64)>,
    /// Rate and p99 of each second.
    past: VecDeque<(u64, u64)>,
    /// When the server was last asked, and the processor seconds it and its database had used.
    used: Option<(f64, [Option<f64>; 2])>,
    /// Processors that the server and its database use.
    uses: [Option<f64>; 2],
    now: Option<Now>,
}

impl Shown {
    fn of(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            stages: scenario.laid_out(),
            run: scenario.length(),
            totals: BTreeMap::new(),
            past: VecDeque::new(),
            used: None,
            uses: [None; 2],
            now: None,
        }
    }

    fn note(&mut self, now: &Now) {
        for (kind, second) in &now.interval.operations {
            let (good, bad) = self.totals.entry(kind.clone()).or_default();
            *good += second.count;
            *bad += second.errors;
        }
        let drawn = now.interval.operations.get(DRAWN);
        self.past.push_back(drawn.map_or((0, 0), |second| (second.count, second.delay.p99)));
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
        if let Some(server) = &now.interval.server {
            let used = (now.interval.at, [server.cpu_s, server.database_cpu_s]);
            if let Some((at, before)) = self.used.replace(used) {
                // One that was started again counts from nothing.
                let share =
                    |part: usize| Some((used.1[part]? - before[part]?).max(0.0) / (used.0 - at).max(0.001));
                self.uses = [share(0), share(1)];
            }
        }
        self.now = Some(now.clone());
    }

    fn draw(&self, frame: &mut Frame) {
        let Some(now) = &self.now else { return };
        let rows = u16::try_from(self.totals.len()).unwrap_or(u16::MAX).saturating_add(1);
        let broken = u16::try_from(now.faults.len()).unwrap_or(u16::MAX).min(FAULTS_MAX);
        let parts = [2, 4, rows, 3, 2, broken].map(Constraint::Length);
        let [head, charts, table, ledger, sides, faults] =
            Layout::vertical(parts).spacing(1).areas(frame.area());
        self.draw_head(frame, head, now);
        let [rates, delays] = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2).areas(charts);
        let of = |part: fn(&(u64, u64)) -> u64| self.past.iter().map(part).collect::<Vec<_>>();
        draw_past(frame, rates, |last| format!("{DRAWN}: {}/s", count(last)), &of(|second| second.0));
        let p99 = |last| format!("{DRAWN}: p99 {}", delay(last as f64));
        draw_past(frame, delays, p99, &of(|second| second.1));
        self.draw_operations(frame, table, now);
        draw_ledger(frame, ledger, now);
        self.draw_sides(frame, sides, now);
        draw_faults(frame, faults, now);
    }

    fn draw_head(&self, frame: &mut Frame, area: Rect, now: &Now) {
        let [words, bar] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
        let (at, run) = (now.interval.at, self.run.as_secs_f64());
        let stage = self.stages.iter().find(|stage| at <= stage.to);
        let doing = stage.map_or("waiting for answers".to_owned(), |stage| {
            let place = self.stages.iter().filter(|before| before.to < stage.to).count() + 1;
            format!("{} (stage {place} of {})", stage.name, self.stages.len())
        });
        let words_of = Line::from(vec![
            Span::styled(self.name.as_str(), Modifier::BOLD),
            Span::raw(format!("  {doing}  {} connections", count(now.interval.connections))),
        ]);
        frame.render_widget(Paragraph::new(words_of), words);
        let left = format!("{} of {}, {} left", length(at), length(run), length((run - at).max(0.0)));
        let gauge = Gauge::default().ratio((at / run.max(0.001)).clamp(0.0, 1.0)).label(left);
        frame.render_widget(gauge.gauge_style(Style::new().fg(Color::Cyan).bg(Color::DarkGray)), bar);
    }

    fn draw_operations(&self, frame: &mut Frame, area: Rect, now: &Now) {
        let head = ["", "in all", "errors", "now/s", "p50", "p99", "max"].map(right);
        let rows = self.totals.iter().map(|(kind, (good, bad))| {
            let second = now.interval.operations.get(kind).cloned().unwrap_or_default();
            let delays = [second.delay.p50, second.delay.p99, second.delay.max];
            let [p50, p99, max] =
                delays.map(|us| if second.count > 0 { delay(us as f64) } else { String::new() });
            let errors = right(count(*bad)).style(if *bad > 0 { BAD } else { Style::new() });
            Row::new([
                Line::from(kind.as_str()),
                right(count(*good)),
                errors,
                right(count(second.count)),
                right(p50),
                right(p99),
                right(max),
            ])
        });
        let widths = [Constraint::Min(16)].into_iter().chain([Constraint::Length(10); 6]);
        let table = Table::new(rows, widths).header(Row::new(head).style(QUIET));
        frame.render_widget(table, area);
    }

    fn draw_sides(&self, frame: &mut Frame, area: Rect, now: &Now) {
        let server = now.interval.server.as_ref();
        let figures = [
            self.uses[0].map(|processors| format!("{processors:.2} processors")),
            server.and_then(|server| server.rss_kib).map(memory),
            self.uses[1].map(|processors| format!("its database {processors:.2} processors")),
        ];
        let figures: Vec<_> = figures.into_iter().flatten().collect();
        let said =
            if figures.is_empty() { "it does not say how it is".to_owned() } else { figures.join(", ") };
        let lag = now.lag;
        let generator = format!(
            "behind plan by p50 {}, p99 {}, max {}",
            delay(lag.p50 as f64),
            delay(lag.p99 as f64),
            delay(lag.max as f64)
        );
        let rows = [("server     ", said), ("generator  ", generator)];
        let rows = rows.map(|(who, said)| Line::from(vec![Span::styled(who, QUIET), Span::raw(said)]));
        frame.render_widget(Paragraph::new(rows.to_vec()), area);
    }
}

const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const QUIET: Style = Style::new().fg(Color::DarkGray);

fn right(text: impl Into<String>) -> Line<'static> {
    Line::from(text.into()).right_aligned()
}

/// The newest seconds that there is room for, under what is said of the last.
fn draw_past(frame: &mut Frame, area: Rect, said: impl Fn(u64) -> String, past: &[u64]) {
    let [words, chart] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let last = past.last().copied().unwrap_or_default();
    frame.render_widget(Paragraph::new(said(last)).style(QUIET), words);
    let newest = &past[past.len().saturating_sub(chart.width.into())..];
    frame.render_widget(Sparkline::default().data(newest).style(Style::new().fg(Color::Cyan)), chart);
}

fn draw_ledger(frame: &mut Frame, area: Rect, now: &Now) {
    let ledger = &now.ledger;
    let mut words = vec![
        Span::styled("ledger     ", QUIET),
        Span::raw(format!("{} acknowledged", count(ledger.acknowledged))),
    ];
    for (what, found) in [
        ("lost", ledger.lost),
        ("doubled", ledger.doubled),
        ("reordered", ledger.reordered),
        ("leaked", ledger.leaked),
    ] {
        let style = if found > 0 { BAD } else { Style::new() };
        words.push(Span::styled(format!(", {} {what}", count(found)), style));
    }
    let examples = ledger.examples.iter().rev().take(2).map(|example| Line::styled(example.clone(), BAD));
    let lines: Vec<_> = [Line::from(words)].into_iter().chain(examples).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// The newest faults.
fn draw_faults(frame: &mut Frame, area: Rect, now: &Now) {
    let newest = now.faults.iter().skip(now.faults.len().saturating_sub(FAULTS_MAX.into()));
    let lines = newest.map(|Fault { at, what, consistent_after }| {
        let (became, style) = match consistent_after {
            Some(after) => (format!("consistent after {after:.1} s"), Style::new()),
            None => ("not consistent yet".to_owned(), BAD),
        };
        let begun = format!("{what} at {}, ", length(*at));
        Line::from(vec![Span::styled("fault      ", QUIET), Span::raw(begun), Span::styled(became, style)])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

#[cfg(test)]
mod tests;
