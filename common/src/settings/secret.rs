//! Secrets, from a setting or from a file that a setting names, and the rules for them in production.

use std::{collections::BTreeSet, fs::File, io::Read as _};

use secrecy::SecretString;

use super::{Environment, SettingsSource, merge::FILE};

/// The default secrets of this project, which are public. `secret` is the password of Postgres and of Redis.
const WELL_KNOWN: [&str; 3] = [DEFAULT_JWT_SECRET, DEFAULT_INTERNAL_TOKEN, DEFAULT_PASSWORD];
pub(super) const DEFAULT_JWT_SECRET: &str = "your-super-secret-jwt-key-change-in-production";
pub(super) const DEFAULT_INTERNAL_TOKEN: &str = "internal-token-for-development";

/// The default password.
pub const DEFAULT_PASSWORD: &str = "secret";

/// The minimum length of a key in production, in bytes: the length of an HS256 signature (RFC 7518, section 3.2).
const MIN_KEY_LEN: usize = 32;

/// The minimum number of different bytes of a key in production. A random key has more, even one of decimal digits.
const MIN_KEY_BYTES: usize = 6;

/// The maximum size of a file with a secret, in bytes.
const MAX_FILE_LEN: u64 = 64 * 1024;

/// Returns whether a secret is a default of this project, and so public.
#[must_use]
pub fn is_well_known(secret: &[u8]) -> bool {
    WELL_KNOWN.iter().any(|public| public.as_bytes() == secret)
}

impl SettingsSource {
    /// Returns a secret without a default: the value of `name`, or the content of the file that `name`_FILE names. Removes a line
    /// ending at the end, which editors and `echo` add.
    pub fn secret(&mut self, name: &str) -> Option<String> {
        self.secret_or(name, "")
    }

    /// Returns a password. In production, a default of this project is invalid.
    pub fn password(&mut self, name: &str, default: &str, environment: Environment) -> SecretString {
        let value = self.secret_or(name, default).unwrap_or_else(|| default.to_owned());
        self.refuse_well_known(name, value.as_bytes(), environment);
        SecretString::from(value)
    }

    /// Returns a key. In production it has to be long and random.
    pub(super) fn key(&mut self, name: &str, default: &str, environment: Environment) -> SecretString {
        let value = self.secret_or(name, default).unwrap_or_else(|| default.to_owned());
        self.refuse_weak(name, &value, environment);
        SecretString::from(value)
    }

    /// Returns a key that has no default. In production it has to be set, and to be long and random.
    pub fn optional_key(&mut self, name: &str, environment: Environment) -> Option<SecretString> {
        let value = self.secret(name);
        self.refuse_weak(name, value.as_deref().unwrap_or_default(), environment);
        value.map(SecretString::from)
    }

    fn refuse_weak(&mut self, name: &str, value: &str, environment: Environment) {
        let different: BTreeSet<_> = value.bytes().collect();
        let is_strong =
            value.len() >= MIN_KEY_LEN && different.len() >= MIN_KEY_BYTES && !is_well_known(value.as_bytes());
        if environment == Environment::Production && !is_strong {
            self.problem(
                name,
                "a random secret of your own, 32 bytes or longer, where APP_ENV=production (openssl rand -hex 32)",
            );
        }
    }

    /// In production, records a problem if a secret is a default of this project.
    pub fn refuse_well_known(&mut self, name: &str, secret: &[u8], environment: Environment) {
        if environment == Environment::Production && is_well_known(secret) {
            self.problem(name, "a password of your own where APP_ENV=production; the default is public");
        }
    }

    fn secret_or(&mut self, name: &str, default: &str) -> Option<String> {
        let file_name = format!("{name}{FILE}");
        let path = self.optional(&file_name).map(str::to_owned);
        let value = self.untrimmed(name, default).map(|value| without_line_ending(value).to_owned());
        let Some(path) = path else { return value };
        if value.is_some() {
            self.problem(&file_name, &format!("unset where {name} is set"));
            return value;
        }
        match read(&path) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.problem(&file_name, &format!("the path of a file with the secret: {problem}"));
                None
            }
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_FILE_LEN + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_FILE_LEN {
        return Err(format!("it is larger than {} KiB", MAX_FILE_LEN / 1024));
    }
    let content = String::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    let secret = without_line_ending(&content);
    if secret.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(secret.to_owned()) }
}

fn without_line_ending(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problems(source: SettingsSource) -> String {
        source.finish().map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn reads_secret_from_file() {
        let folder = tempfile::tempdir().expect("create a folder");
        let path = folder.path().join("secret");
        for (content, expected) in [("hunter22", "hunter22"), ("hunter22\n", "hunter22"), (" $a 'b\r\n", " $a 'b")] {
            fs::write(&path, content).expect("write a file");
            let mut source = SettingsSource::from_values([("TOKEN_FILE", path.to_str().expect("path is UTF-8"))]);
            assert_eq!(source.secret("TOKEN").as_deref(), Some(expected));
            assert_eq!(problems(source), "");
        }
    }

    #[test]
    fn rejects_file_without_secret_and_names_setting() {
        let folder = tempfile::tempdir().expect("create a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("path is UTF-8").to_owned();
        for (name, content) in
            [("empty", b"\n".to_vec()), ("bytes", b"hunter\xff".to_vec()), ("large", vec![b'a'; 65537])]
        {
            fs::write(path(name), content).expect("write a file");
        }
        for (file, expected) in [
            ("missing", "No such file"),
            ("", "Is a directory"),
            ("empty", "it is empty"),
            ("bytes", "it is not UTF-8"),
            ("large", "it is larger than 64 KiB"),
        ] {
            let mut source = SettingsSource::from_values([("TOKEN_FILE", &*path(file))]);
            assert_eq!(source.secret("TOKEN"), None);
            let problems = problems(source);
            assert!(problems.starts_with("TOKEN_FILE should be the path of a file"), "{problems}");
            assert!(problems.contains(expected) && !problems.contains("hunter"), "{problems}");
        }
    }

    #[test]
    fn rejects_secret_and_file_together() {
        let mut source = SettingsSource::from_values([("TOKEN", "a"), ("TOKEN_FILE", "/nowhere")]);
        source.secret("TOKEN");
        assert_eq!(problems(source), "TOKEN_FILE should be unset where TOKEN is set");
    }

    #[test]
    fn keeps_spaces_of_secret_but_not_line_ending() {
        let mut source = SettingsSource::from_values([("TOKEN", " a b \n"), ("NONE", " \n")]);
        assert_eq!(source.secret("TOKEN").as_deref(), Some(" a b "));
        assert_eq!(source.secret("NONE"), None);
    }

    #[test]
    fn production_rejects_weak_keys() {
        let (good, digits) = ("b7Kq0zP2vX9mW4sT1nR8yL5uC3eH6gJd", "31415926535897932384626433832795");
        for (key, is_good) in [
            (good, true),
            (digits, true),
            ("a", false),
            (&good[1..], false),
            (&"a".repeat(64), false),
            (&"secret".repeat(8), false),
            (DEFAULT_JWT_SECRET, false),
        ] {
            let refused = |environment| {
                let mut source = SettingsSource::from_values([("KEY", key)]);
                source.key("KEY", DEFAULT_INTERNAL_TOKEN, environment);
                problems(source)
            };
            assert_eq!(refused(Environment::Production).is_empty(), is_good, "{key}");
            assert_eq!(refused(Environment::Development), "", "{key}");
        }
    }
}
