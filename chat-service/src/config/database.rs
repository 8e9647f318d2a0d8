//! The settings of Postgres: a URL or its parts.

use std::{fmt, net::IpAddr, time::Duration};

use neonchat_common::settings::{DEFAULT_PASSWORD, Environment, SettingsSource, is_loopback};
use secrecy::ExposeSecret as _;
use tokio_postgres::config::{Host, SslMode};

/// The address of Postgres, and the limits of the pool.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`, or `DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DB_SSLMODE`.
    pub connection: tokio_postgres::Config,
    /// `DATABASE_READ_URL`: a replica, for reads that may lag behind.
    pub replica: Option<tokio_postgres::Config>,
    /// `DB_MAX_CONNS`: the size of each of the two pools.
    pub max_connections: usize,
    /// `DB_CONN_MAX_LIFETIME`: older connections are replaced, so that load spreads again after a failover.
    pub max_lifetime: Duration,
}

impl fmt::Debug for DatabaseSettings {
    /// Omits the connection, which contains the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("max_connections", &self.max_connections)
            .field("max_lifetime", &self.max_lifetime)
            .finish_non_exhaustive()
    }
}

impl DatabaseSettings {
    pub(super) fn read(source: &mut SettingsSource, environment: Environment) -> Self {
        let (disable, others) = SSL_MODES.split_first().unwrap_or((&("disable", SslMode::Disable), &[]));
        let tls = source.choice("DB_SSLMODE", *disable, others);
        let mut url = |name| source.secret(name).map(|url| from_url(source, name, url.trim(), environment, tls));
        let (connection, read_only) = (url("DATABASE_URL"), url("DATABASE_READ_URL"));
        Self {
            connection: connection.unwrap_or_else(|| from_parts(source, environment, tls)),
            replica: read_only,
            max_connections: source.number("DB_MAX_CONNS", 25, 1, 1000),
            max_lifetime: source.duration("DB_CONN_MAX_LIFETIME", Duration::from_mins(5), Duration::from_hours(24)),
        }
    }
}

/// The values of `DB_SSLMODE`, and of `sslmode` in a URL. With TLS, the server's certificate and its host name are
/// always checked: `require` and `verify-ca` are as strict as `verify-full`. `SSL_CERT_FILE` adds a private certificate
/// authority.
const SSL_MODES: [(&str, SslMode); 5] = [
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::Require),
    ("verify-full", SslMode::Require),
];

/// The other parameters that a URL may have.
const PARAMETERS: [&str; 17] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "user",
];

fn from_url(
    source: &mut SettingsSource,
    name: &'static str,
    url: &str,
    environment: Environment,
    tls: SslMode,
) -> tokio_postgres::Config {
    match parse(url, tls) {
        Ok(connection) => {
            source.refuse_well_known(name, connection.get_password().unwrap_or_default(), environment);
            warn_of_plain_text(source, name, &connection, environment);
            connection
        }
        Err(problem) => {
            source.problem(name, &problem);
            tokio_postgres::Config::new()
        }
    }
}

fn from_parts(source: &mut SettingsSource, environment: Environment, tls: SslMode) -> tokio_postgres::Config {
    let password = source.password("DB_PASSWORD", DEFAULT_PASSWORD, environment);
    let mut connection = tokio_postgres::Config::new();
    connection
        .host(source.text("DB_HOST", "localhost"))
        .port(source.port("DB_PORT", 5432))
        .dbname(source.text("DB_NAME", "neondb"))
        .user(source.text("DB_USER", "neon"))
        .password(password.expose_secret())
        .ssl_mode(tls);
    warn_of_plain_text(source, "DB_SSLMODE", &connection, environment);
    connection
}

/// Parses a URL. An error says what is expected, and never contains a part of a password.
fn parse(url: &str, tls: SslMode) -> Result<tokio_postgres::Config, String> {
    let malformed = || {
        "a URL such as postgres://user:password@host:5432/database, where /, ?, #, @ and % of a password are percent-encoded"
            .to_owned()
    };
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).ok_or_else(malformed)?;
    // For tokio-postgres, user and password end at the first `@`. A second `@` was probably meant as a part of the password.
    let address = match rest.split_once('@') {
        Some((_, address)) if address.contains('@') => return Err(malformed()),
        Some((_, address)) => address,
        None => rest,
    };
    let (base, query) = match address.split_once('?') {
        Some((_, query)) => (&url[..url.len() - query.len() - 1], query),
        None => (url, ""),
    };
    let mut mode = tls;
    let mut others = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if key == "sslmode" {
            let known = SSL_MODES.iter().find(|(word, _)| *word == value);
            mode = known.map(|(_, mode)| *mode).ok_or_else(bad_mode)?;
        } else if PARAMETERS.contains(&key) {
            others.push(parameter);
        } else {
            return Err(unknown(key));
        }
    }
    let mut connection: tokio_postgres::Config = format!("{base}?{}", others.join("&")).parse().map_err(|error| {
        // The name of a parameter with a bad value, but nothing that could be part of a password.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.filter(|cause| cause.starts_with("invalid value for option"));
        cause.map_or_else(malformed, |cause| format!("{}: {cause}", malformed()))
    })?;
    if connection.get_hosts().is_empty() && connection.get_hostaddrs().is_empty() {
        return Err(malformed());
    }
    connection.ssl_mode(mode);
    Ok(connection)
}

fn bad_mode() -> String {
    format!("a URL whose sslmode is one of {}", SSL_MODES.map(|(word, _)| word).join(", "))
}

fn unknown(parameter: &str) -> String {
    let hint = match parameter {
        "sslrootcert" => " (set SSL_CERT_FILE to trust a private certificate authority)",
        _ => "",
    };
    format!("a URL whose parameters are among sslmode, {}; not {parameter}{hint}", PARAMETERS.join(", "))
}

fn warn_of_plain_text(
    source: &mut SettingsSource,
    name: &str,
    connection: &tokio_postgres::Config,
    environment: Environment,
) {
    let is_remote = connection.get_hosts().iter().any(|host| matches!(host, Host::Tcp(name) if !is_loopback(name)))
        || !connection.get_hostaddrs().iter().all(IpAddr::is_loopback);
    if environment == Environment::Production && is_remote && connection.get_ssl_mode() != SslMode::Require {
        source.warn(name, "the connection to Postgres may be unencrypted; set sslmode=verify-full for TLS");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, String> {
        parse(url, SslMode::Require).map(|connection| connection.get_ssl_mode())
    }

    #[test]
    fn reads_sslmode_only_from_the_parameters() {
        for (url, expected) in [
            ("postgres://u:p@h/d", SslMode::Require),
            ("postgres://u:sslmode=disable@h/d", SslMode::Require),
            ("postgres://u:?sslmode=disable@h/d", SslMode::Require),
            ("postgres://sslmode=disable:p@h/sslmode=disable?application_name=sslmode", SslMode::Require),
            ("postgres://h/d?options=-c%20search_path%3Dsslmode%3Ddisable", SslMode::Require),
            ("postgres://u:p@h/d?sslmode=disable", SslMode::Disable),
            ("postgresql://u:p@h?connect_timeout=3&sslmode=prefer", SslMode::Prefer),
            ("postgres://u:p@h/d?sslmode=require", SslMode::Require),
            ("postgres://u:p@h/d?sslmode=verify-ca", SslMode::Require),
            ("postgres://u:p@h1:1,h2:2/d?sslmode=verify-full&target_session_attrs=read-write", SslMode::Require),
        ] {
            assert_eq!(mode(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn reads_all_parts_of_a_url() {
        let url = "postgres://us%40er:a%2Fb%3F%40c%25@h1:1,h2:2/d%20b?sslmode=disable&connect_timeout=3&host=%2Frun";
        let connection = parse(url, SslMode::Require).expect("parse URL");
        assert_eq!((connection.get_user(), connection.get_dbname()), (Some("us@er"), Some("d b")));
        assert_eq!(connection.get_password(), Some(&b"a/b?@c%"[..]));
        assert_eq!(connection.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!((connection.get_hosts().len(), connection.get_ports()), (3, &[1, 2][..]));
    }

    #[test]
    fn refuses_invalid_urls_without_showing_passwords() {
        let modes = "a URL whose sslmode is one of disable, prefer, require, verify-ca, verify-full";
        for (url, expected) in [
            ("nonsense", "a URL such as postgres://"),
            ("host=h password=hunter22", "a URL such as postgres://"),
            ("mysql://u:hunter22@h/d", "a URL such as postgres://"),
            ("postgres://", "a URL such as postgres://"),
            ("postgres://u:hunter22@h:port/d", "invalid value for option `port`"),
            ("postgres://u:hunter22@h/d?connect_timeout=soon", "invalid value for option `connect_timeout`"),
            ("postgres://u:a@hunter22?hunter=22@h/d", "a URL such as postgres://"),
            ("postgres://u:a@h/d?sslmode=allow", modes),
            ("postgres://u:a@h/d?sslmode=", modes),
            ("postgres://u:a@h/d?sslmode", modes),
            ("postgres://u:a@h/d?pgbouncer=true", "not pgbouncer"),
            ("postgres://u:a@h/d?sslrootcert=a", "not sslrootcert (set SSL_CERT_FILE"),
        ] {
            let error = mode(url).expect_err(url);
            assert!(error.contains(expected) && !error.contains("hunter"), "{url}: {error}");
        }
    }

    #[test]
    fn accepts_any_character_in_the_parts() {
        let password = " a/b@c?sslmode=disable#'\"\\$%41 ";
        let values = [("DB_PASSWORD", password), ("DB_USER", "u@x"), ("DB_NAME", "a/b?c"), ("DB_SSLMODE", "verify-ca")];
        let mut source = SettingsSource::from_values(values);
        let connection = DatabaseSettings::read(&mut source, Environment::Development).connection;
        assert!(source.finish().is_ok());
        assert_eq!((connection.get_user(), connection.get_dbname()), (Some("u@x"), Some("a/b?c")));
        assert_eq!(connection.get_password(), Some(password.as_bytes()));
        assert_eq!(connection.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn production_refuses_the_default_password_in_every_setting() {
        for (name, value) in [
            ("DB_PASSWORD", ""),
            ("DATABASE_URL", "postgres://neon:secret@localhost/neondb"),
            ("DATABASE_URL", "postgres://neon:s%65cret@localhost/neondb"),
            ("DATABASE_URL", "postgres://localhost/neondb?user=neon&password=secret"),
            ("DATABASE_READ_URL", "postgres://neon:secret@localhost/neondb"),
        ] {
            let own = if name == "DATABASE_READ_URL" { ("DB_PASSWORD", "hunter22") } else { ("DB_USER", "neon") };
            let mut source = SettingsSource::from_values([(name, value), own]);
            DatabaseSettings::read(&mut source, Environment::Production);
            let error = source.finish().expect_err("refuse settings").to_string();
            assert!(error.starts_with(&format!("{name} should be a password of your own")), "{error}");
        }
    }

    #[test]
    fn production_warns_of_unencrypted_connections() {
        for (name, value, is_warned) in [
            ("DB_HOST", "localhost", false),
            ("DB_HOST", "/run/postgresql", false),
            ("DB_HOST", "db.example", true),
            ("DATABASE_URL", "postgres://u:p@[::1]/d", false),
            ("DATABASE_URL", "postgres://u:p@localhost,db.example/d", true),
            ("DATABASE_URL", "postgres://u:p@db.example/d?sslmode=prefer", true),
            ("DATABASE_URL", "postgres://u:p@db.example/d?sslmode=verify-full", false),
            ("DATABASE_URL", "postgres://u:p@localhost/d?hostaddr=10.0.0.1", true),
            ("DATABASE_READ_URL", "postgres://u:p@db.example/d", true),
        ] {
            let mut source = SettingsSource::from_values([(name, value), ("DB_PASSWORD", "hunter22")]);
            DatabaseSettings::read(&mut source, Environment::Production);
            let warnings = source.finish().expect("read settings");
            let expected = if name == "DB_HOST" { "DB_SSLMODE" } else { name };
            let warned: Vec<_> = warnings.iter().map(|warning| warning.setting.as_str()).collect();
            assert_eq!(warned, [expected][..usize::from(is_warned)], "{value}");
        }
    }
}
