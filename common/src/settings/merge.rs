//! Merging of the sources of settings: `config.yaml`, `.env` and the environment.
//!
//! A later source overrides an earlier one. `NAME` and `NAME_FILE` are the same setting. An empty value counts as not set in each
//! source.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    fmt, fs, io, mem,
    path::Path,
};

use anyhow::{Context as _, anyhow};
use config::{Config, ConfigError, Map, Source, Value};

use super::{dotenv, yaml};

/// The suffix of a name whose value is the path of a file with the actual value.
pub(super) const FILE: &str = "_FILE";

/// All settings of both services. Tests compare it with the settings that the services read.
const EXAMPLE: &str = include_str!("../../../.env.example");

/// The minimum similarity of a misspelled name and a setting, from 0 to 1.
const MIN_SIMILARITY: f64 = 0.7;

/// The merged values, and the problems of the sources, one line each.
pub(super) struct MergedValues {
    /// `None` for a value that is not UTF-8.
    pub(super) values: HashMap<String, Option<String>>,
    pub(super) problems: Vec<String>,
}

impl MergedValues {
    /// Reads all sources. A file may be missing.
    ///
    /// # Errors
    /// A file cannot be read or parsed.
    pub(super) fn read(
        yaml: &Path,
        dotenv: &Path,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> anyhow::Result<Self> {
        let of_file = |path: &Path, error: String| anyhow!("{}: {error}", path.display());
        let entries = yaml::parse(&text(yaml)?).map_err(|error| of_file(yaml, error))?;
        let problems = unknown_keys(&entries).map(|problem| format!("{}: {problem}", yaml.display())).collect();
        let lines = dotenv::parse(&text(dotenv)?).map_err(|error| of_file(dotenv, error))?;

        let entries = entries.into_iter().map(|entry| (entry.name, Some(entry.value)));
        let lines = lines.into_iter().map(|(name, value)| (name, Some(value)));
        let environment =
            environment.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok())));
        let config = Config::builder()
            .add_source(Layer::new(entries))
            .add_source(Layer::new(lines))
            .add_source(Layer::new(environment))
            .build()?;
        Ok(Self { values: config.try_deserialize()?, problems })
    }
}

/// The settings of one source, which `config` merges over those of the previous sources.
#[derive(Clone)]
struct Layer(Map<String, Value>);

impl Layer {
    /// Keeps non-empty values with valid names. `config` would parse `A.B` and `A[0]` as paths to values inside `A`.
    fn new(values: impl Iterator<Item = (String, Option<String>)>) -> Self {
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_set = |value: &Option<String>| value.as_ref().is_none_or(|value| !value.trim().is_empty());
        let values = values.filter(|(name, value)| is_name(name) && is_set(value));
        Self(values.map(|(name, value)| (name, Value::new(None, value))).collect())
    }
}

impl fmt::Debug for Layer {
    /// Omits the values, which include secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }

    /// Merges this source. `NAME` replaces `NAME_FILE` of an earlier source, and the reverse.
    fn collect_to(&self, cache: &mut Value) -> Result<(), ConfigError> {
        let mut values = mem::take(cache).into_table()?;
        for name in self.0.keys() {
            let other = name.strip_suffix(FILE).map_or_else(|| format!("{name}{FILE}"), str::to_owned);
            values.remove(&other);
        }
        values.extend(self.collect()?);
        *cache = values.into();
        Ok(())
    }
}

/// Returns the text of a file, or an empty text if there is no file.
fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        read => read.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        anyhow!("{}: line {line} is not UTF-8", path.display())
    })
}

/// Returns a problem for each key of `config.yaml` that neither service reads.
fn unknown_keys(entries: &[yaml::Entry]) -> impl Iterator<Item = String> {
    let is_entry = |line: &&str| !line.starts_with('#');
    let known: BTreeSet<_> =
        EXAMPLE.lines().filter(is_entry).filter_map(|line| Some(line.split_once('=')?.0)).collect();
    entries.iter().filter_map(move |yaml::Entry { name, line, .. }| {
        if known.contains(name.as_str()) {
            return None;
        }
        let similarity = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
        let closest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        let hint =
            closest.filter(|known| similarity(known) >= MIN_SIMILARITY).map(|known| format!("; did you mean {known}?"));
        Some(format!("line {line}: there is no setting {name}{}", hint.unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn read(yaml: &[u8], dotenv: &[u8], environment: &[(&str, &str)]) -> anyhow::Result<MergedValues> {
        let folder = tempfile::tempdir().expect("create folder");
        let paths = ["config.yaml", ".env"].map(|name| folder.path().join(name));
        for (path, content) in paths.iter().zip([yaml, dotenv]) {
            fs::write(path, content).expect("write file");
        }
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        MergedValues::read(&paths[0], &paths[1], environment)
    }

    #[test]
    fn later_source_wins_and_empty_value_is_not_set() {
        let yaml = b"LOG_LEVEL: yaml\nDB_HOST: yaml\nDB_NAME: \"00123\"\nDB_USER: 00123\nREDIS_HOST: yaml\n";
        let dotenv = b"DB_HOST=dotenv\nDB_PASSWORD=dotenv\nREDIS_HOST=\n";
        let environment = [("DB_PASSWORD", "environment"), ("DB_HOST", ""), ("LOG_LEVEL", "  ")];
        let values = read(yaml, dotenv, &environment).expect("merge sources").values;
        for (name, value) in [
            ("LOG_LEVEL", "yaml"),
            ("DB_HOST", "dotenv"),
            ("DB_NAME", "00123"),
            ("DB_USER", "00123"),
            ("REDIS_HOST", "yaml"),
            ("DB_PASSWORD", "environment"),
        ] {
            assert_eq!(values[name].as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn later_source_replaces_secret_by_file_and_file_by_secret() {
        let dotenv = b"JWT_SECRET=dotenv\nINTERNAL_TOKEN_FILE=dotenv\nDB_PASSWORD=1\nDB_PASSWORD_FILE=1\n";
        let environment = [("JWT_SECRET_FILE", "environment"), ("INTERNAL_TOKEN", "environment")];
        let values = read(b"", dotenv, &environment).expect("merge sources").values;
        let mut names: Vec<_> = values.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["DB_PASSWORD", "DB_PASSWORD_FILE", "INTERNAL_TOKEN", "JWT_SECRET_FILE"]);
    }

    #[test]
    fn names_unknown_keys() {
        let yaml = b"REDSI_HOST: a\nws_max_connections: 5\nDB_MAX_CONNS: 5\njwt_secret_file: a\nCOLOUR: b\n";
        let merged = read(yaml, b"PUBLISH_ADDRESS=127.0.0.1", &[("PATH", "/bin")]).expect("merge sources");
        let problems: Vec<_> =
            merged.problems.iter().filter_map(|problem| Some(problem.split_once("config.yaml: ")?.1)).collect();
        assert_eq!(
            problems,
            ["line 1: there is no setting REDSI_HOST; did you mean REDIS_HOST?", "line 5: there is no setting COLOUR"]
        );
    }

    #[test]
    fn names_file_and_line_of_error() {
        for (yaml, dotenv, expected) in [
            (&b"A: [hunter22]\n"[..], &b""[..], "config.yaml: line 1: A should have one value"),
            (b"DB_HOST: \xff\n", b"", "config.yaml: line 1 is not UTF-8"),
            (b"", b"A=1\nB=hunter$22\n", ".env: line 2 has a `$`"),
            (b"", b"A=1\n\nB=hunter22\xff\n", ".env: line 3 is not UTF-8"),
        ] {
            let error = format!("{:#}", read(yaml, dotenv, &[]).err().expect("report error"));
            assert!(error.contains(expected) && !error.contains("hunter"), "{error}");
        }
        let folder = tempfile::tempdir().expect("create folder");
        let error =
            MergedValues::read(folder.path(), Path::new("/nowhere"), std::iter::empty()).err().expect("report error");
        assert!(format!("{error:#}").contains("cannot be read"), "{error:#}");
    }

    #[test]
    fn keeps_value_that_is_not_utf_8() {
        let value = OsString::from_vec(vec![b'a', 0xff]);
        let environment = [(OsString::from("JWT_SECRET"), value)].into_iter();
        let merged =
            MergedValues::read(Path::new("/nowhere"), Path::new("/nowhere"), environment).expect("merge sources");
        assert_eq!(merged.values["JWT_SECRET"], None);
    }

    #[test]
    fn keeps_names_of_environment_unchanged() {
        let environment = [("DB_HOST", "1"), ("DB_NAME.A", "2"), ("DB_USER[1]", "3"), ("db_host", "4")];
        let values = read(b"", b"DB_HOST-A=5", &environment).expect("merge sources").values;
        let expected = [("DB_HOST", "1"), ("db_host", "4")];
        assert_eq!(values, HashMap::from(expected.map(|(name, value)| (name.to_owned(), Some(value.to_owned())))));
    }

    #[test]
    fn hides_values_in_debug() {
        let layer = Layer::new([("JWT_SECRET".to_owned(), Some("hunter22".to_owned()))].into_iter());
        assert_eq!(format!("{layer:?}"), r#"{"JWT_SECRET"}"#);
    }
}
