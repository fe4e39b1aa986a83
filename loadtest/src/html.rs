//! `spotter-load report`: a run as one page of HTML that needs nothing but itself.
//!
//! Every text of the run goes through [`maud::html`], which escapes it. Only the page's own style and script are
//! put in as they are.

mod axis;
mod metrics;
mod overview;
mod plot;
mod tail;
mod timeline;

use std::path::PathBuf;

use anyhow::Context;
use maud::{DOCTYPE, PreEscaped, html};

use crate::results::Results;
use crate::saved;

/// Nothing is fetched, whatever a browser finds in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Report {
    /// The run, as `results.json`
    results: PathBuf,
    /// Where the page is written
    #[arg(long, default_value = "report.html")]
    out: PathBuf,
}

/// Writes the page.
///
/// # Errors
/// When the run cannot be read or the page cannot be written.
pub(crate) fn report(asked: &Report) -> anyhow::Result<()> {
    let page = page(&saved::read(&asked.results)?);
    std::fs::write(&asked.out, page).with_context(|| format!("cannot write {}", asked.out.display()))?;
    println!("{}", asked.out.display());
    Ok(())
}

/// The page of a run.
pub(crate) fn page(results: &Results) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                title { (results.run.name) " – " (overview::word(results.verdict)) }
                style { (PreEscaped(include_str!("html/page.css"))) }
            }
            body {
                (overview::head(results))
                main {
                    (overview::figures(results))
                    (overview::thresholds(results))
                    (overview::ledger(&results.ledger))
                    (overview::operations(results))
                    (tail::section(results))
                    @if !results.intervals.is_empty() { (timeline::sections(results)) }
                    (overview::faults(results))
                    (overview::circumstances(results))
                }
                @if !results.intervals.is_empty() {
                    script { (PreEscaped(include_str!("html/page.js"))) }
                }
            }
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests;
