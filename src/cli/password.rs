//! Where a command gets a password: a terminal that does not show it, or standard input. Never a flag, which
//! every other user of the machine could read.

use std::io::{BufRead, IsTerminal, stdin};

use anyhow::{Context, bail};

use crate::auth::Password;

/// The longest line taken for a password.
const LINE_BYTES_MAX: u64 = 4096;

/// Reads the password of somebody who signs in: SPOTTER_PASSWORD, else typed.
pub(super) fn read_to_sign_in() -> anyhow::Result<String> {
    match std::env::var("SPOTTER_PASSWORD") {
        Ok(password) => Ok(password),
        Err(_) => {
            rpassword::prompt_password("Password: ").context("cannot read the password: set SPOTTER_PASSWORD")
        }
    }
}

/// Reads a new password: the first line of standard input when `from_stdin`, else typed twice.
pub(super) fn read_new(from_stdin: bool) -> anyhow::Result<Password> {
    if from_stdin {
        let mut line = String::new();
        std::io::Read::take(stdin().lock(), LINE_BYTES_MAX)
            .read_line(&mut line)
            .context("cannot read standard input")?;
        return Ok(Password::new(line.trim_end_matches(['\r', '\n'])));
    }
    if !stdin().is_terminal() {
        bail!("there is no terminal to ask for a password: pipe it in and add --password-stdin");
    }
    let password = rpassword::prompt_password("Password: ").context("cannot read the password")?;
    if rpassword::prompt_password("Again: ").context("cannot read the password")? != password {
        bail!("the two passwords differ: try again");
    }
    Ok(Password::new(password))
}
