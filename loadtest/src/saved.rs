//! A run as it was saved. Whoever judges or draws a run reads it here.

use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde::Deserialize;

use crate::results::{Operation, Results, SCHEMA};

/// Reads a `results.json`.
///
/// # Errors
/// When there is none, when it has another form than this build's, and when it is not whole.
pub(crate) fn read(path: &Path) -> anyhow::Result<Results> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    parse(&text).with_context(|| format!("{shown} is not the result of a run"))
}

fn parse(text: &[u8]) -> anyhow::Result<Results> {
    /// What every form has.
    #[derive(Deserialize)]
    struct Form {
        schema: u32,
    }
    let Form { schema } = serde_json::from_slice(text)?;
    if schema != SCHEMA {
        bail!("it has form {schema} and this build reads form {SCHEMA}: use the spotter-load that wrote it");
    }
    Ok(serde_json::from_slice(text)?)
}

/// The delays of an operation, in microseconds.
///
/// # Errors
/// When they cannot be decoded.
pub(crate) fn histogram(operation: &Operation) -> anyhow::Result<Histogram<u64>> {
    decoded(&operation.histogram)
}

/// A histogram in HdrHistogram's V2 form, as base64.
///
/// # Errors
/// When it is none.
pub(crate) fn decoded(text: &str) -> anyhow::Result<Histogram<u64>> {
    let bytes = BASE64_STANDARD.decode(text).context("a histogram is not base64")?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).context("a histogram cannot be decoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_form_is_refused_by_its_number_whatever_else_it_holds() {
        let error = format!("{:#}", parse(br#"{"schema":2,"what":"is this"}"#).unwrap_err());
        assert!(error.contains("it has form 2 and this build reads form 1"), "{error}");
    }

    #[test]
    fn a_file_of_something_else_is_refused() {
        assert!(parse(br#"{"name":"spotter-web"}"#).is_err());
    }
}
