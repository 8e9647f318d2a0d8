//! Settings: defaults, then `config.yaml`, then `.env`, then the environment; the last one wins (contract, section 1).
//!
//! Each service reads its settings one by one through a [`Reader`], which remembers every bad one, so that the operator
//! is told of all of them at once, by name.

mod shared;
mod traces;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    str::FromStr,
    time::Duration,
};

use anyhow::Context as _;
use config::{Config, File, FileFormat};
use secrecy::SecretString;
use thiserror::Error;

pub use self::{
    shared::{CommonSettings, GrpcSettings},
    traces::TraceSettings,
};

/// Settings that could not be read, one line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(Vec<String>);

/// Reads settings by name.
#[derive(Debug)]
pub struct Reader {
    values: HashMap<String, String>,
    /// What was asked for, and its default.
    asked: BTreeMap<String, String>,
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
        Self::new(values.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
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
        Ok(Self::new(values))
    }

    const fn new(values: HashMap<String, String>) -> Self {
        Self { values, asked: BTreeMap::new(), problems: Vec::new() }
    }

    /// The names that were asked for so far, each with its default as it is written in a file: empty where there is none.
    #[must_use]
    pub const fn asked(&self) -> &BTreeMap<String, String> {
        &self.asked
    }

    /// The value of a setting that has no default; an empty one counts as not set.
    pub fn optional(&mut self, name: &str) -> Option<&str> {
        self.value(name, "")
    }

    fn value(&mut self, name: &str, default: impl fmt::Display) -> Option<&str> {
        self.asked.insert(name.to_owned(), default.to_string());
        self.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A text.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.value(name, default).unwrap_or(default).to_owned()
    }

    /// A secret whose default is fit for development alone: in production it has to be set to something else.
    pub fn production_secret(&mut self, name: &str, default: &str, environment: Environment) -> SecretString {
        let value = self.text(name, default);
        if environment == Environment::Production && value == default {
            self.problem(name, "a secret of your own where APP_ENV=production; the default is known to everyone");
        }
        SecretString::from(value)
    }

    /// One of some words, each with what it stands for. The first is the default.
    pub fn choice<T: Copy>(&mut self, name: &str, default: (&str, T), others: &[(&str, T)]) -> T {
        let Some(word) = self.value(name, default.0).map(str::to_owned) else { return default.1 };
        let choices = || std::iter::once(&default).chain(others);
        if let Some((_, value)) = choices().find(|(choice, _)| *choice == word) {
            return *value;
        }
        let words: Vec<_> = choices().map(|(choice, _)| *choice).collect();
        self.problem(name, &format!("one of {}", words.join(", ")));
        default.1
    }

    /// A number between two bounds, both included.
    pub fn number<T>(&mut self, name: &str, default: T, min: T, max: T) -> T
    where
        T: FromStr + PartialOrd + fmt::Display + Copy,
    {
        let expected = format!("a whole number from {min} to {max}");
        let in_range = |value: &T| (&min..=&max).contains(&value);
        match self.value(name, default).map(|value| value.parse().ok().filter(in_range)) {
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
        match self.value(name, humantime::format_duration(default)).map(humantime::parse_duration) {
            None => default,
            Some(Ok(value)) if value <= max => value,
            Some(_) => {
                let max = humantime::format_duration(max);
                self.problem(name, &format!("a duration such as 500ms, 30s or 5m, {max} at most"));
                default
            }
        }
    }

    /// A comma-separated list.
    pub fn list(&mut self, name: &str, default: &str) -> Vec<String> {
        let items = self.value(name, default).unwrap_or(default).split(',');
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

/// How log lines look (`LOG_FORMAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person at a terminal.
    Text,
    /// One JSON object a line.
    Json,
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
        let mut reader = Reader::from_sources(&yaml, &dotenv, environment.into_iter()).expect("settings");
        let got = ["A", "B", "C", "D", "E"].map(|name| reader.text(name, "default"));
        assert_eq!(got, ["yaml", "dotenv", "00123", "environment", "default"]);
        std::fs::remove_dir_all(dir).expect("removed");
    }

    #[test]
    fn names_every_bad_setting_and_shows_no_value() {
        let mut reader = Reader::from_values([("PORT", "80800"), ("TIMEOUT", "soon"), ("LOG_FORMAT", "xml")]);
        reader.port("PORT", 1);
        reader.duration("TIMEOUT", Duration::ZERO, Duration::from_mins(1));
        reader.choice("LOG_FORMAT", ("text", LogFormat::Text), &[("json", LogFormat::Json)]);
        let error = reader.finish().expect_err("bad settings").to_string();
        assert_eq!(
            error,
            "PORT should be a whole number from 0 to 65535\n\
             TIMEOUT should be a duration such as 500ms, 30s or 5m, 1m at most\n\
             LOG_FORMAT should be one of text, json"
        );
    }
}
