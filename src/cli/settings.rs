//! `spotter config`.

use clap::Subcommand;

use super::NodeFlags;
use crate::config::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show each setting in force and where it comes from; passwords in addresses are not shown
    #[command(
        after_help = "Example:\n  SPOTTER_ENGINE__TICK_MS=200 spotter config print --config config/spotter.toml"
    )]
    Print(NodeFlags),
    /// Check the settings and say nothing more than that they are good
    #[command(after_help = "Example:\n  spotter config check --config /etc/spotter.toml")]
    Check(NodeFlags),
}

pub(super) fn run(command: ConfigCommand, mut sources: Sources) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Print(flags) => {
            flags.add_to(&mut sources);
            for (key, setting) in sources.load_with_origins()?.1 {
                let is_address = key == "database" || key == "cluster.redis";
                let value = if is_address { without_password(&setting.value) } else { setting.value };
                println!("{:<44} # {}", format!("{key} = {value}"), setting.origin);
            }
        }
        ConfigCommand::Check(flags) => {
            flags.add_to(&mut sources);
            sources.load()?;
            println!("the configuration is good");
        }
    }
    Ok(())
}

/// The address of a server with its password struck out.
fn without_password(url: &str) -> String {
    let (address, parameters) =
        url.split_once('?').map_or((url, None), |(address, rest)| (address, Some(rest)));
    let mut shown = address.to_owned();
    let authority = address.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let who = authority.and_then(|authority| authority.rsplit_once('@')).map(|(who, _)| who);
    if let Some((_, password)) = who.and_then(|who| who.split_once(':')) {
        shown = shown.replacen(&format!(":{password}@"), ":…@", 1);
    }
    let parameters = parameters.into_iter().flat_map(|parameters| parameters.split('&'));
    for (parameter, sign) in parameters.zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        shown.push(sign);
        shown.push_str(if parameter.starts_with("password=") { "password=…" } else { parameter });
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_address_of_a_database_is_not_shown() {
        let shown = |url| without_password(url);
        assert_eq!(shown("postgres://ana:secret@db.example/gym"), "postgres://ana:…@db.example/gym");
        assert_eq!(
            shown("postgres://ana:s@e@cret@db.example/gym?a=b"),
            "postgres://ana:…@db.example/gym?a=b"
        );
        assert_eq!(
            shown("postgres://db.example/gym?password=secret&a=b"),
            "postgres://db.example/gym?password=…&a=b"
        );
        assert_eq!(shown("postgres://ana@db.example:5432/gym"), "postgres://ana@db.example:5432/gym");
        assert_eq!(shown(""), "");
    }
}
