//! Settings: defaults, then `config.yaml`, then `.env`, then the environment; the last one wins.
//!
//! Each service reads its settings through a [`SettingsSource`], which collects all invalid settings, so that the operator sees all
//! of them in one error.

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

/// The invalid settings, one line each.
#[derive(Debug, Error)]
#[error("{}", .0.join("\n"))]
pub struct InvalidSettings(Vec<String>);

/// A valid setting with a consequence that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The name of the setting.
    pub setting: String,
    /// The consequence of its value.
    pub text: String,
}

/// The values of all settings. Settings are read by name.
pub struct SettingsSource {
    /// `None` for a value that is not UTF-8.
    values: HashMap<String, Option<String>>,
    /// The names that were read, and their defaults.
    requested: BTreeMap<String, String>,
    problems: Vec<String>,
    warnings: Vec<Warning>,
}

impl fmt::Debug for SettingsSource {
    /// Omits the values, which include secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsSource").field("requested", &self.requested).finish_non_exhaustive()
    }
}

impl SettingsSource {
    /// Loads the settings of this process from `config.yaml` and `.env` in the working directory, and from the environment.
    ///
    /// # Errors
    /// A file exists but cannot be read or parsed.
    pub fn load() -> anyhow::Result<Self> {
        let merged = MergedValues::read(Path::new("config.yaml"), Path::new(".env"), std::env::vars_os())?;
        Ok(Self { problems: merged.problems, ..Self::new(merged.values) })
    }

    /// Returns a source with only these values, for tests.
    #[must_use]
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::new(values.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect())
    }

    const fn new(values: HashMap<String, Option<String>>) -> Self {
        Self { values, requested: BTreeMap::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Returns the names that were read so far, with their defaults as written in a file. A setting without a default has an empty
    /// one.
    #[must_use]
    pub const fn requested(&self) -> &BTreeMap<String, String> {
        &self.requested
    }

    /// Returns the value of a setting without a default. An empty value counts as not set.
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
            self.problems.push(format!("{name} should be UTF-8 text"));
        }
        value.filter(|value| !value.trim().is_empty())
    }

    /// Returns a text.
    pub fn text(&mut self, name: &str, default: &str) -> String {
        self.value(name, default).unwrap_or(default).to_owned()
    }

    /// Returns the value of one of several words. The first word is the default. It is empty if there is none.
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

    /// Returns a number from `min` to `max`, inclusive.
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

    /// Returns a TCP port. With 0 the system chooses one.
    pub fn port(&mut self, name: &str, default: u16) -> u16 {
        self.number(name, default, 0, u16::MAX)
    }

    /// Returns a TCP port without a default. With 0 the system chooses one.
    pub fn optional_port(&mut self, name: &str) -> Option<u16> {
        let value = self.optional(name)?.parse();
        if value.is_err() {
            self.problem(name, &format!("a whole number from 0 to {}", u16::MAX));
        }
        value.ok()
    }

    /// Returns a duration such as `30s`, `5m` or `250ms`, of at most `max`.
    pub fn duration(&mut self, name: &str, default: Duration, max: Duration) -> Duration {
        match self.value(name, humantime::format_duration(default)).map(humantime::parse_duration) {
            None => default,
            Some(Ok(value)) if value <= max => value,
            Some(_) => {
                let max = humantime::format_duration(max);
                self.problem(name, &format!("a duration such as 500ms, 30s or 5m, at most {max}"));
                default
            }
        }
    }

    /// Returns the items of a comma-separated list.
    pub fn list(&mut self, name: &str, default: &str) -> Vec<String> {
        let items = self.value(name, default).unwrap_or(default).split(',');
        items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// Returns the items of a comma-separated list of `host:port`.
    pub fn addresses(&mut self, name: &str, default: &str) -> Vec<String> {
        let addresses = self.list(name, default);
        if addresses.is_empty() || !addresses.iter().all(|address| is_address(address)) {
            self.problem(name, "a comma-separated list of host:port");
        }
        addresses
    }

    /// Adds a warning about a valid setting.
    pub fn warn(&mut self, name: &str, text: &str) {
        self.warnings.push(Warning { setting: name.to_owned(), text: text.to_owned() });
    }

    /// Records that a setting is invalid. Does not show the value, which may be a secret.
    pub fn problem(&mut self, name: &str, expected: &str) {
        self.problems.push(format!("{name} should be {expected}"));
    }

    /// Returns the warnings.
    ///
    /// # Errors
    /// Returns all invalid settings.
    pub fn finish(self) -> Result<Vec<Warning>, InvalidSettings> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(InvalidSettings(self.problems)) }
    }
}

/// Returns whether a text is `host:port`, or `[address]:port` for IPv6.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = Host::parse(host).is_ok_and(|parsed| matches!(parsed, Host::Ipv6(_)) || !host.contains(':'));
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// The environment of the process (`APP_ENV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine or a test. Default secrets are allowed.
    Development,
    /// Production. Default secrets are rejected.
    Production,
}

/// The format of log lines (`LOG_FORMAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_invalid_setting_and_hides_values() {
        let values = [("PORT", "80800"), ("OTHER_PORT", "http"), ("TIMEOUT", "soon"), ("LOG_FORMAT", "xml")];
        let mut source = SettingsSource::from_values(values);
        source.port("PORT", 1);
        source.optional_port("OTHER_PORT");
        source.duration("TIMEOUT", Duration::ZERO, Duration::from_mins(1));
        source.choice("LOG_FORMAT", ("text", LogFormat::Text), &[("json", LogFormat::Json)]);
        let error = source.finish().expect_err("reject settings").to_string();
        assert_eq!(
            error,
            "PORT should be a whole number from 0 to 65535\n\
             OTHER_PORT should be a whole number from 0 to 65535\n\
             TIMEOUT should be a duration such as 500ms, 30s or 5m, at most 1m\n\
             LOG_FORMAT should be one of text, json"
        );
    }

    #[test]
    fn names_setting_that_is_not_utf_8_and_hides_values_in_debug() {
        let values = [("HOST", None), ("SECRET", Some("hunter22")), ("OTHER", None)];
        let values = values.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        let mut source = SettingsSource::new(HashMap::from(values));
        source.text("HOST", "localhost");
        assert_eq!(source.secret("SECRET").as_deref(), Some("hunter22"));
        assert!(!format!("{source:?}").contains("hunter"), "{source:?}");
        assert_eq!(source.finish().expect_err("reject setting").to_string(), "HOST should be UTF-8 text");
    }

    #[test]
    fn accepts_only_host_and_port_as_address() {
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
            assert_eq!(error, "PEERS should be a comma-separated list of host:port", "{bad}");
        }
    }
}
