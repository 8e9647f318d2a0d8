//! Settings: defaults, then `config.yaml`, then `.env`, then the environment; the last one wins (contract, section 1).
//!
//! Each service reads its settings one by one through a [`Reader`], which remembers every bad one, so that the operator
//! is told of all of them at once, by name.

mod shared;

use std::{collections::HashMap, fmt, path::Path, str::FromStr, time::Duration};

use anyhow::Context as _;
use config::{Config, File, FileFormat};
use secrecy::SecretString;
use thiserror::Error;

pub use self::shared::{CommonSettings, GrpcSettings};

/// Settings that could not be read, one line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(Vec<String>);

/// Reads settings by name.
#[derive(Debug)]
pub struct Reader {
    values: HashMap<String, String>,
    problems: Vec<String>,
}

impl Reader {
    /// The settings of this process: those of `config.yaml` and `.env` in the working directory, and the environment.
    ///
    /// # Errors
    /// A file is there that cannot be read as what it is.
    pub fn load() -> anyhow::Result<Self> {
        Self::from_sources(Path::new("config.yaml"), Path::new(".env"), environment())
    }

    /// Settings from these values alone, for a process inside a test.
    #[must_use]
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { values, problems: Vec::new() }
    }

    fn from_sources(
        yaml: &Path,
        dotenv: &Path,
        environment: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let file = Config::builder()
            .add_source(File::from(yaml).format(FileFormat::Yaml).required(false))
            .build()
            .and_then(Config::try_deserialize::<HashMap<String, String>>)
            .with_context(|| format!("{} is not a flat list of NAME: value", yaml.display()))?;
        // config lowers the keys of a file.
        let mut values: HashMap<_, _> = file.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect();
        if dotenv.exists() {
            let unreadable = || format!("{} is not a list of NAME=value", dotenv.display());
            for pair in dotenvy::from_path_iter(dotenv).with_context(unreadable)? {
                let (name, value) = pair.with_context(unreadable)?;
                values.insert(name, value);
            }
        }
        values.extend(environment);
        Ok(Self { values, problems: Vec::new() })
    }

    /// The value of a setting; an empty one counts as not set.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: &str, default: &str) -> String {
        self.optional(name).unwrap_or(default).to_owned()
    }

    /// A secret: never shown, not even by `Debug`.
    #[must_use]
    pub fn secret(&self, name: &str, default: &str) -> SecretString {
        SecretString::from(self.text(name, default))
    }

    /// A secret whose default is fit for development alone: in production it has to be set to something else.
    pub fn production_secret(&mut self, name: &str, default: &str, environment: Environment) -> SecretString {
        let value = self.text(name, default);
        if environment == Environment::Production && value == default {
            self.problem(name, "a secret of your own where APP_ENV=production; the default is known to everyone");
        }
        SecretString::from(value)
    }

    /// A value that `T` can be parsed from; `expected` says what it should be.
    pub fn parse<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        let parsed = self.optional(name).map(str::parse);
        match parsed {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.problem(name, expected);
                default
            }
        }
    }

    /// A number between two bounds, both included.
    pub fn number<T>(&mut self, name: &str, default: T, min: T, max: T) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let expected = format!("a whole number from {min} to {max}");
        let in_range = |value: &T| (&min..=&max).contains(&value);
        match self.optional(name).map(|value| value.parse().ok().filter(in_range)) {
            None => default,
            Some(Some(value)) => value,
            Some(None) => {
                self.problem(name, &expected);
                default
            }
        }
    }

    /// A TCP port; 0 lets the system choose.
    pub fn port(&mut self, name: &str, default: u16) -> u16 {
        self.number(name, default, 0, u16::MAX)
    }

    /// A duration such as `30s`, `5m` or `250ms`, not longer than `max`.
    pub fn duration(&mut self, name: &str, default: Duration, max: Duration) -> Duration {
        match self.optional(name).map(humantime::parse_duration) {
            None => default,
            Some(Ok(value)) if value <= max => value,
            Some(_) => {
                let max = humantime::format_duration(max);
                self.problem(name, &format!("a duration such as 500ms, 30s or 5m, {max} at most"));
                default
            }
        }
    }

    /// A comma-separated list; empty where it is not set.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.optional(name).unwrap_or_default().split(',');
        items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Notes that a setting is not what it should be. The value itself is not shown: it may be a secret.
    pub fn problem(&mut self, name: &str, expected: &str) {
        self.problems.push(format!("{name} should be {expected}"));
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every setting that was bad.
    pub fn finish(self) -> Result<(), InvalidSettings> {
        if self.problems.is_empty() { Ok(()) } else { Err(InvalidSettings(self.problems)) }
    }
}

/// The variables of the environment that are Unicode; any other is no setting of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Where the process runs (`APP_ENV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine or a test: default secrets will do.
    Development,
    /// For users: default secrets are refused.
    Production,
}

impl FromStr for Environment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "development" | "test" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(()),
        }
    }
}

/// How log lines look (`LOG_FORMAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_dotenv_and_that_over_yaml() {
        let dir = std::env::temp_dir().join(format!("neonchat-settings-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&dir).expect("a folder");
        let (yaml, dotenv) = (dir.join("config.yaml"), dir.join(".env"));
        std::fs::write(&yaml, "A: yaml\nB: yaml\nC: \"00123\"\n").expect("a file");
        std::fs::write(&dotenv, "B=dotenv\nD=dotenv\n").expect("a file");
        let environment = [("D".to_owned(), "environment".to_owned())];
        let reader = Reader::from_sources(&yaml, &dotenv, environment.into_iter()).expect("settings");
        let got = ["A", "B", "C", "D", "E"].map(|name| reader.text(name, "default"));
        assert_eq!(got, ["yaml", "dotenv", "00123", "environment", "default"]);
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn names_every_bad_setting_and_shows_no_value() {
        let mut reader = Reader::from_values([("PORT", "80800"), ("TIMEOUT", "soon"), ("LOG_FORMAT", "xml")]);
        reader.port("PORT", 1);
        reader.duration("TIMEOUT", Duration::ZERO, Duration::from_mins(1));
        reader.parse("LOG_FORMAT", LogFormat::Text, "text or json");
        let error = reader.finish().expect_err("bad settings").to_string();
        assert_eq!(
            error,
            "PORT should be a whole number from 0 to 65535\n\
             TIMEOUT should be a duration such as 500ms, 30s or 5m, 1m at most\n\
             LOG_FORMAT should be text or json"
        );
    }
}
