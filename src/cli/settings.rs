//! `spotter config`.

use clap::Subcommand;

use super::NodeFlags;
use crate::config::Sources;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show each setting in force and where it comes from; none of them is a secret
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
                println!("{:<44} # {}", format!("{key} = {}", setting.value), setting.origin);
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
