//! The places a setting can stand in, laid over one another.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use config::{File, FileFormat, Map, Source, Value, ValueKind};

use super::{Config, ConfigError};

const PREFIX: &str = "SPOTTER_";
/// Variables the command line reads itself: no settings of the node.
const NO_SETTINGS: [&str; 5] =
    ["SPOTTER_CONFIG", "SPOTTER_URL", "SPOTTER_GYM", "SPOTTER_EMAIL", "SPOTTER_PASSWORD"];

/// Where settings are looked for, the weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file of `--config`.
    pub file: Option<PathBuf>,
    /// The environment; names that do not begin with `SPOTTER_` are not looked at.
    pub variables: Vec<(OsString, OsString)>,
    /// Keys with the flag that sets them and the value given.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// Where a value in force comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file.
    File(PathBuf),
    /// The variable of that name.
    Variable(String),
    /// The flag of that name.
    Flag(&'static str),
}

/// One value in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its value as it was written.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// A value before it is checked: its dotted key, what was written, and where.
type Written = (String, ValueKind, Origin);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

impl Sources {
    /// The configuration in force.
    ///
    /// # Errors
    /// See [`ConfigError`]: the first thing wrong, weakest place first.
    pub fn load(&self) -> Result<Config, ConfigError> {
        Ok(self.load_with_origins()?.0)
    }

    /// The configuration in force, and every value of it by key with the place it comes from.
    ///
    /// # Errors
    /// As [`Sources::load`].
    pub fn load_with_origins(&self) -> Result<(Config, BTreeMap<String, Setting>), ConfigError> {
        let defaults = leaves(config::Config::try_from(&Config::default())?.collect()?);
        let known: Vec<String> = defaults.keys().cloned().collect();
        let layers = [at(Origin::Default, defaults), self.in_file()?, self.in_variables()?, self.in_flags()];

        let mut settings = BTreeMap::new();
        let mut builder = config::Config::builder();
        for layer in layers {
            let mut values = Map::new();
            for (key, kind, origin) in layer {
                let is_empty_section = matches!(kind, ValueKind::Table(_))
                    && known.iter().any(|known| known.starts_with(&format!("{key}.")));
                if is_empty_section {
                    continue;
                }
                if !known.contains(&key) {
                    return Err(unknown(key, &origin, &known));
                }
                let setting = Setting { value: kind.to_string(), origin };
                values.insert(key.clone(), Value::new(Some(&setting.origin.to_string()), kind));
                settings.insert(key, setting);
            }
            builder = builder.add_source(Layer(values));
        }
        let config: Config =
            builder.build()?.try_deserialize().map_err(|error| bad_value(error, &settings))?;
        check(&config, &settings)?;
        Ok((config, settings))
    }

    fn in_file(&self) -> Result<Vec<Written>, ConfigError> {
        let Some(path) = &self.file else { return Ok(Vec::new()) };
        let table = File::from(path.as_path()).format(FileFormat::Toml).collect()?;
        Ok(at(Origin::File(path.clone()), leaves(table)))
    }

    /// `SPOTTER_SOCKET__IN_FLIGHT` sets `socket.in_flight`.
    fn in_variables(&self) -> Result<Vec<Written>, ConfigError> {
        let mut values = Vec::new();
        for (name, value) in &self.variables {
            let Some(name) = name.to_str() else { continue };
            let Some(key) = name.strip_prefix(PREFIX) else { continue };
            if NO_SETTINGS.contains(&name) {
                continue;
            }
            let value = value
                .to_str()
                .ok_or_else(|| config::ConfigError::Message(format!("variable {name} is not UTF-8 text")))?;
            let key = key.to_lowercase().replace("__", ".");
            values.push((key, ValueKind::String(value.to_owned()), Origin::Variable(name.to_owned())));
        }
        values.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(values)
    }

    fn in_flags(&self) -> Vec<Written> {
        let written = self.flags.iter();
        written
            .map(|(key, flag, value)| {
                ((*key).to_owned(), ValueKind::String(value.clone()), Origin::Flag(flag))
            })
            .collect()
    }
}

/// One place's values by dotted key.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The values below a table by dotted key. An empty table stands for itself, so that its name is checked too.
fn leaves(table: Map<String, Value>) -> BTreeMap<String, ValueKind> {
    let mut found = BTreeMap::new();
    for (key, value) in table {
        if let ValueKind::Table(inner) = value.kind {
            if inner.is_empty() {
                found.insert(key, ValueKind::Table(inner));
            } else {
                found.extend(leaves(inner).into_iter().map(|(below, kind)| (format!("{key}.{below}"), kind)));
            }
        } else {
            found.insert(key, value.kind);
        }
    }
    found
}

fn at(origin: Origin, values: BTreeMap<String, ValueKind>) -> Vec<Written> {
    values.into_iter().map(|(key, kind)| (key, kind, origin.clone())).collect()
}

fn unknown(key: String, origin: &Origin, known: &[String]) -> ConfigError {
    let bare = |key: &str| {
        let last = key.rsplit('.').next().unwrap_or_default();
        last.replace(['_', '-'], "")
    };
    let meant = known.iter().find(|known| bare(known) == bare(&key));
    let hint = match meant {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => "; `spotter config print` lists them".to_owned(),
    };
    ConfigError::UnknownKey { key, origin: origin.to_string(), hint }
}

/// Names the value that has not the form its key needs.
fn bad_value(error: config::ConfigError, settings: &BTreeMap<String, Setting>) -> ConfigError {
    use config::ConfigError as E;
    let (key, reason) = if let E::Type { key: Some(key), expected, .. } = &error {
        (key, format!("expected {expected}"))
    } else if let E::At { key: Some(key), error: inner, .. } = &error {
        (key, inner.to_string())
    } else {
        return error.into();
    };
    let Some(Setting { value, origin }) = settings.get(key) else { return error.into() };
    let (key, value, origin) = (key.clone(), value.clone(), origin.to_string());
    ConfigError::BadValue { key, value, origin, reason }
}

fn check(config: &Config, settings: &BTreeMap<String, Setting>) -> Result<(), ConfigError> {
    let origin = |key| settings.get(key).map_or_else(String::new, |setting| setting.origin.to_string());
    for (key, value, range) in config.numbers() {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            return Err(ConfigError::OutOfRange { key, value, origin: origin(key), least, most });
        }
    }
    match config.contradiction() {
        Some((key, reason)) => Err(ConfigError::Contradiction { key, origin: origin(key), reason }),
        None => Ok(()),
    }
}
