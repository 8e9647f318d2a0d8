//! Settings: defaults, then `config.yaml`, then `.env`, then the environment; the last one wins (contract, section 1).
//!
//! Each service reads its settings one by one through a [`SettingsSource`], which remembers every bad one, so that the operator
//! is told of all of them at once, by name.

mod dotenv;
mod merge;
mod operations;
mod redis;
mod secret;
mod shared;
mod traces;
mod yaml;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    str::FromStr,
    time::Duration,
};

use thiserror::Error;
use url::Host;

use self::merge::MergedValues;
pub use self::{
    operations::OperationsAddress,
    redis::is_loopback,
    secret::{DEFAULT_PASSWORD, is_well_known},
    shared::{CommonSettings, GrpcSettings},
    traces::TraceSettings,
};

/// Settings that could not be read, one line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(Vec<String>);

/// A setting that is accepted, and that an operator should think about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The name of the setting.
    pub setting: String,
    /// What follows from its value.
    pub text: String,
}

/// Reads settings by name.
pub struct SettingsSource {
    /// `None` for a value that is not text in UTF-8.
    values: HashMap<String, Option<String>>,
    /// What was asked for, and its default.
    requested: BTreeMap<String, String>,
    problems: Vec<String>,
    warnings: Vec<Warning>,
}

impl fmt::Debug for SettingsSource {
    /// Without the values: they include secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsSource").field("requested", &self.requested).finish_non_exhaustive()
    }
}

impl SettingsSource {
    /// The settings of this process: those of `config.yaml` and `.env` in the working directory, and the environment.
    ///
    /// # Errors
    /// A file is there that cannot be read as what it is.
    pub fn load() -> anyhow::Result<Self> {
        let merged = MergedValues::read(Path::new("config.yaml"), Path::new(".env"), std::env::vars_os())?;
        Ok(Self { problems: merged.problems, ..Self::new(merged.values) })
    }

    /// Settings from these values alone, for a process inside a test.
    #[must_use]
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::new(values.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect())
    }

    const fn new(values: HashMap<String, Option<String>>) -> Self {
        Self { values, requested: BTreeMap::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// The names that were asked for so far, each with its default as it is written in a file: empty where there is none.
    #[must_use]
    pub const fn requested(&self) -> &BTreeMap<String, String> {
        &self.requested
    }

    /// The value of a setting that has no default; an empty one counts as not set.
    pub fn optional(&mut self, name: &str) -> Option<&str> {
        self.value(name, "")
    }

    fn value(&mut self, name: &str, default: impl fmt::Display) -> Option<&str> {
        self.untrimmed(name, default).map(str::trim)
    }

    fn untrimmed(&mut self, name: &str, default: impl fmt::Display) -> Option<&str> {
        self.requested.insert(name.to_owned(), default.to_string());
        let value = self.values.get(name)?.as_deref();
        if value.is_none() {
            self.problems.push(format!("{name} should be text in UTF-8"));
        }
        value.filter(|value| !value.trim().is_empty())
    }

    /// A text.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.value(name, default).unwrap_or(default).to_owned()
    }

    /// One of some words, each with what it stands for. The first is the default, or empty where none is.
    pub fn choice<T: Copy>(&mut self, name: &str, default: (&str, T), others: &[(&str, T)]) -> T {
        let Some(word) = self.value(name, default.0).map(str::to_owned) else { return default.1 };
        let choices = || std::iter::once(&default).chain(others);
        if let Some((_, value)) = choices().find(|(choice, _)| *choice == word) {
            return *value;
        }
        let words: Vec<_> = choices().map(|(choice, _)| *choice).filter(|word| !word.is_empty()).collect();
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

    /// A TCP port that has no default; 0 lets the system choose.
    pub fn optional_port(&mut self, name: &str) -> Option<u16> {
        let value = self.optional(name)?.parse();
        if value.is_err() {
            self.problem(name, &format!("a whole number from 0 to {}", u16::MAX));
        }
        value.ok()
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

    /// A comma-separated list of `host:port`.
    pub fn addresses(&mut self, name: &str, default: &str) -> Vec<String> {
        let addresses = self.list(name, default);
        if addresses.is_empty() || !addresses.iter().all(|address| is_address(address)) {
            self.problem(name, "a comma list of host:port");
        }
        addresses
    }

    /// Notes what an operator should know of a setting that is accepted.
    pub fn warn(&mut self, name: &str, text: &str) {
        self.warnings.push(Warning { setting: name.to_owned(), text: text.to_owned() });
    }

    /// Notes that a setting is not what it should be. The value itself is not shown: it may be a secret.
    pub fn problem(&mut self, name: &str, expected: &str) {
        self.problems.push(format!("{name} should be {expected}"));
    }

    /// Ends the reading. Returns the warnings.
    ///
    /// # Errors
    /// Every setting that was bad.
    pub fn finish(self) -> Result<Vec<Warning>, InvalidSettings> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(InvalidSettings(self.problems)) }
    }
}

/// Whether a text is `host:port`, or `[address]:port` for IPv6.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = Host::parse(host).is_ok_and(|parsed| matches!(parsed, Host::Ipv6(_)) || !host.contains(':'));
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
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
    fn names_every_bad_setting_and_shows_no_value() {
        let values = [("PORT", "80800"), ("OTHER_PORT", "http"), ("TIMEOUT", "soon"), ("LOG_FORMAT", "xml")];
        let mut source = SettingsSource::from_values(values);
        source.port("PORT", 1);
        source.optional_port("OTHER_PORT");
        source.duration("TIMEOUT", Duration::ZERO, Duration::from_mins(1));
        source.choice("LOG_FORMAT", ("text", LogFormat::Text), &[("json", LogFormat::Json)]);
        let error = source.finish().expect_err("bad settings").to_string();
        assert_eq!(
            error,
            "PORT should be a whole number from 0 to 65535\n\
             OTHER_PORT should be a whole number from 0 to 65535\n\
             TIMEOUT should be a duration such as 500ms, 30s or 5m, 1m at most\n\
             LOG_FORMAT should be one of text, json"
        );
    }

    #[test]
    fn names_a_setting_that_is_not_unicode_and_shows_no_value_in_debug() {
        let values = [("HOST", None), ("SECRET", Some("hunter22")), ("OTHER", None)];
        let values = values.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        let mut source = SettingsSource::new(HashMap::from(values));
        source.text("HOST", "localhost");
        assert_eq!(source.secret("SECRET").as_deref(), Some("hunter22"));
        assert!(!format!("{source:?}").contains("hunter"), "{source:?}");
        assert_eq!(source.finish().expect_err("a bad setting").to_string(), "HOST should be text in UTF-8");
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in ["localhost:8083", "10.0.0.1:1", "[::1]:8083", "chat-service-1.chat.svc.cluster.local:8083, b_c:1"]
        {
            let mut source = SettingsSource::from_values([("PEERS", good)]);
            source.addresses("PEERS", "");
            assert!(source.finish().is_ok(), "{good}");
        }
        let bad = ["localhost", "http://localhost:8083", "a:b@localhost:8083", "localhost:8083/", ":8083", "::1:8083"];
        for bad in bad.into_iter().chain(["localhost:0", "localhost:65536", "localhost:8083;a:1", ","]) {
            let mut source = SettingsSource::from_values([("PEERS", bad)]);
            source.addresses("PEERS", "localhost:1");
            let error = source.finish().expect_err(bad).to_string();
            assert_eq!(error, "PEERS should be a comma list of host:port", "{bad}");
        }
    }
}
