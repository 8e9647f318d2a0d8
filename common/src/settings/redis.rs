//! The URL of Redis: `REDIS_URL`, or a URL from the single settings.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

use fred::types::config::Config;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::SecretString;
use url::Url;

use super::{Environment, SettingsSource};

const URL: &str = "REDIS_URL";

/// A single Redis, one behind Sentinel, and a cluster, each without and with TLS.
const SCHEMES: [&str; 6] = ["redis", "rediss", "redis-sentinel", "rediss-sentinel", "redis-cluster", "rediss-cluster"];

/// The allowed query parameters.
const PARAMETERS: [&str; 4] = ["node", "sentinelServiceName", "sentinelUsername", "sentinelPassword"];

/// Reads the URL and checks it.
pub(super) fn url(source: &mut SettingsSource, environment: Environment) -> SecretString {
    let given = source.secret(URL);
    let name = if given.is_some() { URL } else { "REDIS_PASSWORD" };
    let text = given.unwrap_or_else(|| from_parts(source));
    let text = text.trim();
    match parse(text) {
        Ok(url) => check(source, name, &url, environment),
        Err(problem) if name == URL => source.problem(URL, &problem),
        // The host is the only part that can be invalid.
        Err(_) => source.problem("REDIS_HOST", "a host name or an address"),
    }
    SecretString::from(text)
}

fn from_parts(source: &mut SettingsSource) -> String {
    let host = source.text("REDIS_HOST", "localhost");
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host };
    let port = source.port("REDIS_PORT", 6379);
    let db = source.number("REDIS_DB", 0, 0, 255);
    let credentials = source.secret("REDIS_PASSWORD").map_or_else(String::new, |password| {
        // The password may have any character.
        format!(":{}@", utf8_percent_encode(&password, NON_ALPHANUMERIC))
    });
    // A host with these characters would change other parts of the URL.
    let host = if host.contains(['/', '?', '#', '@']) { String::new() } else { host };
    format!("redis://{credentials}{host}:{port}/{db}")
}

/// Parses a URL. An error says what was expected. It never contains a part of a password.
fn parse(text: &str) -> Result<Url, String> {
    let malformed = || {
        "a URL such as redis://:password@host:6379/0, where /, ?, #, @ and % of a password are percent-encoded"
            .to_owned()
    };
    let url = Url::parse(text).map_err(|_| malformed())?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(format!("a URL that begins with one of {}, each followed by ://", SCHEMES.join(", ")));
    }
    // A second `@` was probably part of a password, and then the apparent parameters are as well.
    if url.fragment().is_some() || url.path().contains('@') || url.query().is_some_and(|query| query.contains('@')) {
        return Err(malformed());
    }
    if let Some((unknown, _)) = url.query_pairs().find(|(name, _)| !PARAMETERS.contains(&&**name)) {
        return Err(format!("a URL whose parameters are among {}; not {unknown}", PARAMETERS.join(", ")));
    }
    Config::from_url(text).map_err(|_| malformed())?;
    Ok(url)
}

fn check(source: &mut SettingsSource, name: &str, url: &Url, environment: Environment) {
    if environment != Environment::Production {
        return;
    }
    match url.password() {
        None => source.warn(name, "redis has no password"),
        Some(password) => {
            source.refuse_well_known(name, &Cow::from(percent_decode_str(password)), environment);
        }
    }
    let nodes = url.query_pairs().filter(|(name, _)| name == "node").map(|(_, node)| node.into_owned());
    let hosts =
        nodes.filter_map(|node| Some(node.rsplit_once(':')?.0.to_owned())).chain(url.host_str().map(str::to_owned));
    let is_remote = hosts.into_iter().any(|host| !is_loopback(&host));
    if is_remote && !url.scheme().starts_with("rediss") {
        source.warn(URL, "the connection to redis is not encrypted; rediss:// is TLS");
    }
}

/// Returns whether a host is the loopback address or `localhost`.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let unbracketed = host.trim_start_matches('[').trim_end_matches(']');
    unbracketed
        .parse::<IpAddr>()
        .map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<String, String> {
        let mut source = SettingsSource::from_values(values.iter().copied());
        let url = url(&mut source, Environment::Development);
        source.finish().map(|_| url.expose_secret().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn url_overrides_its_parts() {
        let parts = [("REDIS_HOST", "r"), ("REDIS_PASSWORD", "a/b@c"), ("REDIS_DB", "2")];
        assert_eq!(read(&parts).as_deref(), Ok("redis://:a%2Fb%40c@r:6379/2"));
        assert_eq!(read(&[("REDIS_HOST", "::1")]).as_deref(), Ok("redis://[::1]:6379/0"));
        assert_eq!(read(&[("REDIS_HOST", "r"), ("REDIS_URL", "redis://x:1/0")]).as_deref(), Ok("redis://x:1/0"));
    }

    #[test]
    fn accepts_any_character_in_password() {
        for password in ["a%41", "a b", "пароль", "#?&=:/@[]%", "$x'\"\\`"] {
            let url = read(&[("REDIS_PASSWORD", password)]).expect("read URL");
            let config = Config::from_url(&url).expect("parse URL");
            assert_eq!(config.password.as_deref(), Some(password), "{url}");
        }
    }

    #[test]
    fn accepts_every_kind_of_redis() {
        for url in [
            "redis://localhost",
            "rediss://:hunter22@redis.example:6380/3",
            "redis-sentinel://:hunter22@a:26379/0?sentinelServiceName=n&node=b:26379&sentinelPassword=p",
            "redis-cluster://:hunter22@a:6379?node=b:6379&node=c:6379",
        ] {
            assert_eq!(read(&[("REDIS_URL", url)]).as_deref(), Ok(url));
        }
    }

    #[test]
    fn rejects_invalid_url_and_hides_password() {
        for (url, expected) in [
            ("localhost:6379", "REDIS_URL should be a URL that begins with one of redis, rediss"),
            ("nonsense", "REDIS_URL should be a URL such as"),
            ("http://:hunter22@a:6379", "REDIS_URL should be a URL that begins with one of redis, rediss"),
            ("redis://:hunter#22@a:6379/0", "REDIS_URL should be a URL such as"),
            ("redis://:hunter?22=x@a:6379/0", "REDIS_URL should be a URL such as"),
            ("redis://:hunter/22@a:6379/0", "REDIS_URL should be a URL such as"),
            ("redis://a:6379/hunter", "REDIS_URL should be a URL such as"),
            ("redis://a:6379?nodes=b:6379", "not nodes"),
        ] {
            let error = read(&[("REDIS_URL", url)]).expect_err(url);
            assert!(error.contains(expected) && !error.contains("hunter"), "{url}: {error}");
        }
        for host in ["a b", "a/b", "a@b", "http://a", "a:1"] {
            let error = read(&[("REDIS_HOST", host), ("REDIS_PASSWORD", "hunter22")]).expect_err(host);
            assert_eq!(error, "REDIS_HOST should be a host name or an address", "{host}");
        }
    }

    #[test]
    fn production_rejects_default_password() {
        for (name, value) in [
            ("REDIS_PASSWORD", "secret"),
            ("REDIS_URL", "redis://:secret@a:6379/0"),
            ("REDIS_URL", "redis://:s%65cret@a:6379/0"),
        ] {
            let mut source = SettingsSource::from_values([(name, value)]);
            url(&mut source, Environment::Production);
            let error = source.finish().expect_err("reject setting").to_string();
            assert!(error.starts_with(&format!("{name} should be a password of your own")), "{error}");
        }
    }
}
