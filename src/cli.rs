//! The command line: what each command is called, what it takes, and how it ends.
//!
//! Exit codes: 0 it was done, 1 it failed (one line on standard error says what to do), 2 it was called wrongly.

mod accounts;
mod archive;
mod backup;
mod doctor;
mod operators;
mod password;
mod settings;
mod token;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::auth::{Keys, Tokens};
use crate::clock::SystemClock;
use crate::config::{Config, LogFormat, Origin, Sources};
use crate::db::Db;
use crate::store::Store;
use crate::{demo, node, telemetry, watch};
use spotter_actors::Clock;

/// Real-time session engine for strength coaching.
#[derive(Debug, Parser)]
#[command(
    name = "spotter",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done, 1 failed, 2 called wrongly.
Settings come from defaults, then --config, then SPOTTER_* variables, then flags: see `spotter config print`."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// A TOML file of settings; config/spotter.toml documents each
    #[arg(long, global = true, env = "SPOTTER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database and the keys (setting data_dir)
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// postgres://user@host/name instead of a SQLite file in the data folder (setting database)
    #[arg(long, global = true, value_name = "URL")]
    database: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node until it is told to stop
    #[command(after_help = "Example:\n  spotter serve --listen 0.0.0.0:8080 --log-format json")]
    Serve(NodeFlags),
    /// Run a gym with simulated athletes who replay real workouts
    #[command(after_help = "Example:\n  spotter demo --speed 30")]
    Demo {
        /// How many times faster than life people wait, 1 to 60; loads, repetitions and rests stay
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
        speed: u32,
        /// Where chance begins: the same number gives the same evening
        #[arg(long, default_value_t = 1)]
        seed: u64,
        #[command(flatten)]
        flags: NodeFlags,
    },
    /// Show a coach's wall in the terminal
    #[command(after_help = "\
Example:
  spotter watch --gym demo --email coach1@demo.example

The password is asked for, or read from SPOTTER_PASSWORD.")]
    Watch {
        /// The server
        #[arg(long, env = "SPOTTER_URL", default_value = "http://127.0.0.1:8080")]
        url: String,
        /// The gym's slug
        #[arg(long, env = "SPOTTER_GYM")]
        gym: String,
        /// The coach's e-mail
        #[arg(long, env = "SPOTTER_EMAIL")]
        email: String,
    },
    /// Bring the tables of the database up to this build
    #[command(after_help = "\
Examples:
  spotter migrate --data-dir /var/lib/spotter
  spotter migrate --database postgres://spotter@db.example/spotter")]
    Migrate,
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    /// Test the database that is set: whether it is reachable, fast and durable, and what to do when it is not
    #[command(after_help = doctor::HELP)]
    Doctor,
    /// Check every promise the database makes, beside a running node or at rest; it only reads
    #[command(after_help = verify::HELP)]
    Verify,
    /// Gyms: the tenants
    #[command(subcommand)]
    Gym(accounts::GymCommand),
    /// People's accounts
    #[command(subcommand)]
    User(accounts::UserCommand),
    /// Coaching links
    #[command(subcommand)]
    Link(accounts::LinkCommand),
    /// Print access tokens, for tools and tests
    Token(token::TokenArgs),
    /// Entities that keep failing and wait for an operator
    #[command(subcommand)]
    Quarantine(operators::QuarantineCommand),
    /// Commands that the server gave up
    #[command(subcommand)]
    DeadLetters(operators::DeadLetterCommand),
    /// Take old months of the journal out of the database
    Archive(archive::ArchiveArgs),
    /// What is set, and where
    #[command(subcommand)]
    Config(settings::ConfigCommand),
}

/// Settings that have a flag of their own.
#[derive(Debug, Args)]
struct NodeFlags {
    /// Where the API, the sockets and the pages are served (setting listen)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where /metrics is served (setting admin_listen)
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Serve beside other nodes on one PostgreSQL, reached by this Redis: redis://host:port (setting cluster.redis)
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Bring the tables of a PostgreSQL server up to date first (setting postgres.migrate)
    #[arg(long)]
    migrate: bool,
    /// How the log is written (setting log.format)
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
    /// Which log records are kept, such as info,spotter=debug (setting log.filter)
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
}

/// Does what the process was called for.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line: each cause after what it caused.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("the system gives this program no threads")?;
    let mut sources =
        Sources { file: cli.config, variables: std::env::vars_os().collect(), flags: Vec::new() };
    sources.flags.extend(cli.data_dir.map(|folder| ("data_dir", "--data-dir", folder)));
    sources.flags.extend(cli.database.map(|url| ("database", "--database", url)));
    runtime.block_on(async {
        match cli.command {
            Command::Serve(flags) => {
                flags.add_to(&mut sources);
                let config = sources.load()?;
                telemetry::write_log(&config.log)?;
                node::serve(&config, |_| {}, node::stop_signal()?).await
            }
            Command::Demo { speed, seed, flags } => {
                flags.add_to(&mut sources);
                let (mut config, origins) = sources.load_with_origins()?;
                if origins.get("log.filter").is_none_or(|filter| filter.origin == Origin::Default) {
                    // Forty people's requests would bury the sign-ins; whoever sets a filter gets what they ask for.
                    "warn".clone_into(&mut config.log.filter);
                }
                telemetry::write_log(&config.log)?;
                demo::run(config, spotter_demo::Options { speed, seed }).await
            }
            Command::Watch { url, gym, email } => {
                watch::run(&url, &gym, &email, &password::read_to_sign_in()?).await
            }
            Command::Migrate => {
                let config = sources.load()?;
                node::make_folder(&config.data_dir)?;
                let database = node::database(&config)?;
                Store::migrate(&database).await?;
                println!("{database} is up to date");
                Ok(())
            }
            Command::Backup(args) => backup::backup(args, &sources.load()?).await,
            Command::Restore(args) => backup::restore(args, &sources.load()?).await,
            Command::Doctor => doctor::doctor(&sources.load()?).await,
            Command::Verify => verify::verify(&sources.load()?).await,
            Command::Gym(command) => accounts::gym(command, &sources.load()?).await,
            Command::User(command) => accounts::user(command, &sources.load()?).await,
            Command::Link(command) => accounts::link(command, &sources.load()?).await,
            Command::Token(args) => token::print(args, &sources.load()?).await,
            Command::Quarantine(command) => operators::quarantine(command, &sources.load()?).await,
            Command::DeadLetters(command) => operators::dead_letters(command, &sources.load()?).await,
            Command::Archive(args) => archive::run(args, &sources.load()?).await,
            Command::Config(command) => settings::run(command, sources),
        }
    })
}

impl NodeFlags {
    fn add_to(self, sources: &mut Sources) {
        let format = self.log_format.map(|format| match format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let given = [
            ("listen", "--listen", self.listen),
            ("admin_listen", "--admin-listen", self.admin_listen),
            ("cluster.redis", "--redis", self.redis),
            ("postgres.migrate", "--migrate", self.migrate.then(|| "true".to_owned())),
            ("log.format", "--log-format", format),
            ("log.filter", "--log-filter", self.log_filter),
        ];
        sources.flags.extend(given.into_iter().filter_map(|(key, flag, value)| Some((key, flag, value?))));
    }
}

/// Opens the database beside a node that may be running: tools write only tables that no entity owns.
async fn open_db(config: &Config) -> anyhow::Result<Db> {
    node::make_folder(&config.data_dir)?;
    Ok(Store::open(&node::database(config)?).await?.db())
}

fn open_tokens(config: &Config) -> anyhow::Result<Tokens> {
    let keys = Keys::open(&node::keys(&config.data_dir), SystemClock.now())?;
    Ok(Tokens::new(&keys, config.auth.access_ttl_s))
}

/// The lines of a CSV file below its heading.
fn read_csv<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<Vec<T>> {
    let name = file.display();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(false)
        .from_path(file)
        .with_context(|| format!("cannot read {name}"))?;
    reader.deserialize().collect::<Result<_, _>>().with_context(|| format!("a line of {name} does not fit"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn leaves(command: &clap::Command) -> Vec<clap::Command> {
        let below: Vec<_> = command.get_subcommands().filter(|sub| sub.get_name() != "help").collect();
        if below.is_empty() { vec![command.clone()] } else { below.into_iter().flat_map(leaves).collect() }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in leaves(&Cli::command()) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }

    #[test]
    fn no_password_can_be_given_as_a_flag() {
        let called = ["spotter", "user", "passwd", "--gym", "g", "--email", "a@b.c", "--password", "x"];
        assert!(Cli::try_parse_from(called).is_err());
    }

    #[test]
    fn commands_are_called_as_documented() {
        for line in [
            "spotter serve --listen 0.0.0.0:80 --data-dir /tmp/x",
            "spotter migrate",
            "spotter backup /backups/spotter.db --force",
            "spotter restore /backups/spotter.db --data-dir /var/lib/spotter",
            "spotter doctor --database postgres://spotter@db.example/spotter",
            "spotter verify --data-dir /var/lib/spotter",
            "spotter serve --database postgres://spotter@db.example/spotter --migrate",
            "spotter gym add --slug north --name North",
            "spotter gym remove --slug north --yes --admin http://127.0.0.1:1",
            "spotter gym remove --slug north",
            "spotter user add --gym north --email a@b.c --name Ada --role athlete --password-stdin",
            "spotter user add --gym north --from users.csv",
            "spotter user passwd --gym north --email a@b.c",
            "spotter user list --gym north",
            "spotter link add --gym north --coach c@b.c --athlete a@b.c --permissions view_sessions,message",
            "spotter link add --gym north --from links.csv",
            "spotter link set --gym north --coach c@b.c --athlete a@b.c --permissions message",
            "spotter link end --gym north --coach c@b.c --athlete a@b.c",
            "spotter user role --gym north --email a@b.c --role gym_owner",
            "spotter token --gym north --email a@b.c",
            "spotter token --gym north --role athlete",
            "spotter quarantine list --admin http://127.0.0.1:1",
            "spotter quarantine release room/0190a0a0-0000-7000-8000-000000000001/0190a0a0-0000-7000-8000-000000000001",
            "spotter dead-letters list --frames",
            "spotter dead-letters offer 0190a0a0-0000-7000-8000-000000000001",
            "spotter dead-letters discard 0190a0a0-0000-7000-8000-000000000001",
            "spotter archive --before 2026-06 --to /var/backups/spotter",
            "spotter archive --before 2026-06 --drop --admin http://127.0.0.1:1",
            "spotter config print --config x.toml",
            "spotter config check",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "spotter",
            "spotter gym remove --yes",
            "spotter user add --gym north --email a@b.c",
            "spotter user add --gym north --from users.csv --email a@b.c",
            "spotter user add --gym north --email a@b.c --name A --role admin",
            "spotter link add --gym north --coach c@b.c",
            "spotter link set --gym north --coach c@b.c --athlete a@b.c",
            "spotter link end --gym north --coach c@b.c",
            "spotter user role --gym north --email a@b.c --role admin",
            "spotter quarantine release somebody",
            "spotter dead-letters offer all",
            "spotter archive --before 2026-06",
            "spotter archive --before 2026-06 --drop --to x",
            "spotter archive --before june --drop",
            "spotter token --gym north",
            "spotter token --gym north --email a@b.c --role coach",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
