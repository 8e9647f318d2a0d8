//! The settings of chat-service (contract, section 1).

use std::{fmt, time::Duration};

use neonchat_common::settings::{CommonSettings, Environment, InvalidSettings, Reader};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::SslMode;

use crate::limits::address::TrustedProxies;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What both services have.
    pub common: CommonSettings,
    /// `CHAT_SERVICE_HOST`: where both ports listen.
    pub host: String,
    /// `CHAT_SERVICE_PORT`: REST.
    pub http_port: u16,
    /// `CHAT_GRPC_PORT`: gRPC.
    pub grpc_port: u16,
    /// Postgres.
    pub database: DatabaseSettings,
    /// `NOTIFICATION_SERVICE_ADDR`: one `host:port` for each instance.
    pub notification_addresses: Vec<String>,
    /// `BCRYPT_COST`: one more doubles the time that a password takes.
    pub bcrypt_cost: u32,
    /// `RATE_LIMIT_PER_MINUTE`: requests of one user, or before a login of one address. With 0 there is no limit, and none
    /// on logins either.
    pub requests_per_minute: u32,
    /// `TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
}

/// Where Postgres is, and how many connections there are to it.
#[derive(Clone)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`, or made of `DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DB_SSLMODE`.
    pub connection: tokio_postgres::Config,
    /// `DATABASE_READ_URL`: a server that follows it, for reads that may be a little behind.
    pub reader: Option<tokio_postgres::Config>,
    /// `DB_MAX_CONNS`: to each of the two.
    pub max_connections: usize,
    /// `DB_CONN_MAX_LIFETIME`: an older connection is replaced, so that load spreads again after a failover.
    pub max_lifetime: Duration,
}

impl fmt::Debug for DatabaseSettings {
    /// Without the connection: it has the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseSettings")
            .field("max_connections", &self.max_connections)
            .field("max_lifetime", &self.max_lifetime)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// Every setting that is not what it should be, by name.
    pub fn read(mut reader: Reader) -> Result<Self, InvalidSettings> {
        let settings = Self::ask(&mut reader);
        reader.finish().map(|()| settings)
    }

    fn ask(reader: &mut Reader) -> Self {
        let common = CommonSettings::read(reader);
        Self {
            host: reader.text("CHAT_SERVICE_HOST", "0.0.0.0"),
            http_port: reader.port("CHAT_SERVICE_PORT", 8080),
            grpc_port: reader.port("CHAT_GRPC_PORT", 8083),
            database: DatabaseSettings::read(reader, common.environment),
            notification_addresses: reader.list("NOTIFICATION_SERVICE_ADDR", "localhost:8081"),
            bcrypt_cost: reader.number("BCRYPT_COST", 10, 4, 16),
            requests_per_minute: reader.number("RATE_LIMIT_PER_MINUTE", 100, 0, 1_000_000),
            trusted_proxies: trusted_proxies(reader),
            common,
        }
    }

    /// Settings from these values and the defaults alone, for a process inside a test.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidSettings> {
        Self::read(Reader::from_values(values))
    }
}

impl DatabaseSettings {
    fn read(reader: &mut Reader, environment: Environment) -> Self {
        let tls = tls(reader);
        let mut url = |name| reader.optional(name).map(str::to_owned).map(|url| from_url(reader, name, &url, tls));
        let (connection, read_only) = (url("DATABASE_URL"), url("DATABASE_READ_URL"));
        Self {
            connection: connection.unwrap_or_else(|| from_parts(reader, environment, tls)),
            reader: read_only,
            max_connections: reader.number("DB_MAX_CONNS", 25, 1, 1000),
            max_lifetime: reader.duration("DB_CONN_MAX_LIFETIME", Duration::from_mins(5), Duration::from_hours(24)),
        }
    }
}

/// `DB_SSLMODE`. Where TLS is spoken, the server's certificate is checked, host name included: `require` is as strict
/// as `verify-full`. A private authority is trusted by `SSL_CERT_FILE`.
fn tls(reader: &mut Reader) -> SslMode {
    let others = [("prefer", SslMode::Prefer), ("require", SslMode::Require), ("verify-full", SslMode::Require)];
    reader.choice("DB_SSLMODE", ("disable", SslMode::Disable), &others)
}

fn trusted_proxies(reader: &mut Reader) -> TrustedProxies {
    const NAME: &str = "TRUSTED_PROXIES";
    let list = reader.list(NAME, "");
    TrustedProxies::parse(list.iter().map(String::as_str)).unwrap_or_else(|_| {
        reader.problem(NAME, "a comma list of addresses and networks such as 10.0.0.7 or 10.0.0.0/8");
        TrustedProxies::default()
    })
}

fn from_url(reader: &mut Reader, name: &str, url: &str, tls: SslMode) -> tokio_postgres::Config {
    let Ok(mut connection) = url.parse::<tokio_postgres::Config>() else {
        reader.problem(name, "a URL such as postgres://user:password@host:5432/database");
        return tokio_postgres::Config::new();
    };
    if !url.contains("sslmode=") {
        connection.ssl_mode(tls);
    }
    connection
}

fn from_parts(reader: &mut Reader, environment: Environment, tls: SslMode) -> tokio_postgres::Config {
    let password: SecretString = reader.production_secret("DB_PASSWORD", "secret", environment);
    let mut connection = tokio_postgres::Config::new();
    connection
        .host(reader.text("DB_HOST", "localhost"))
        .port(reader.port("DB_PORT", 5432))
        .dbname(reader.text("DB_NAME", "neondb"))
        .user(reader.text("DB_USER", "neon"))
        .password(password.expose_secret())
        .ssl_mode(tls);
    connection
}

#[cfg(test)]
mod tests {
    use neonchat_testbed::env_example;

    use super::*;

    #[test]
    fn defaults_are_those_of_the_specification() {
        let settings = Settings::from_values([]).expect("settings");
        assert_eq!((settings.http_port, settings.grpc_port, settings.bcrypt_cost), (8080, 8083, 10));
        let connection = &settings.database.connection;
        assert_eq!((connection.get_user(), connection.get_dbname()), (Some("neon"), Some("neondb")));
        assert_eq!(connection.get_ssl_mode(), SslMode::Disable);
        assert_eq!(settings.notification_addresses, ["localhost:8081"]);
        assert_eq!(settings.requests_per_minute, 100);
    }

    #[test]
    fn the_url_wins_over_its_parts() {
        let values = [("DATABASE_URL", "postgres://u:p@h:1/d"), ("DB_HOST", "other"), ("DB_SSLMODE", "require")];
        let connection = Settings::from_values(values).expect("settings").database.connection;
        assert_eq!((connection.get_dbname(), connection.get_ports()), (Some("d"), &[1][..]));
        assert_eq!(connection.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn bad_settings_are_named_together() {
        let values = [
            ("DATABASE_URL", "nonsense"),
            ("DATABASE_READ_URL", "nonsense too"),
            ("BCRYPT_COST", "3"),
            ("DB_SSLMODE", "maybe"),
            ("RATE_LIMIT_PER_MINUTE", "-1"),
            ("TRUSTED_PROXIES", "10.0.0.1, everyone"),
        ];
        let error = Settings::from_values(values).expect_err("bad settings").to_string();
        let names: Vec<_> = error.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(
            names,
            [
                "DB_SSLMODE",
                "DATABASE_URL",
                "DATABASE_READ_URL",
                "BCRYPT_COST",
                "RATE_LIMIT_PER_MINUTE",
                "TRUSTED_PROXIES"
            ]
        );
    }

    #[test]
    fn production_refuses_the_default_password() {
        let values = [("APP_ENV", "production"), ("JWT_SECRET", "a"), ("INTERNAL_TOKEN", "b")];
        let error = Settings::from_values(values).expect_err("a bad setting").to_string();
        assert!(error.starts_with("DB_PASSWORD"), "{error}");
    }

    #[test]
    fn the_example_lists_each_with_its_default() {
        let mut reader = Reader::from_values([]);
        Settings::ask(&mut reader);
        assert_eq!(*reader.asked(), env_example::listed_for("chat-service"));
    }

    #[test]
    fn the_password_is_not_in_debug() {
        let settings = Settings::from_values([("DB_PASSWORD", "hunter22")]).expect("settings");
        assert!(!format!("{settings:?}").contains("hunter22"));
    }
}
