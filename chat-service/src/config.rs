//! The settings of chat-service (`.env.example`).

mod database;
mod groups;
mod limits;
mod messages;
mod sessions;
mod web;

use std::thread::available_parallelism;

use neonchat_common::{
    http::address::TrustedProxies,
    settings::{CommonSettings, Environment, InvalidSettings, OperationsAddress, SettingsSource},
};
use url::Url;

pub use self::{
    database::DatabaseSettings,
    groups::GroupSettings,
    limits::LimitSettings,
    messages::{EditHistory, MessageSettings},
    sessions::SessionSettings,
    web::WebClient,
};

/// All settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings of both services.
    pub common: CommonSettings,
    /// `CHAT_SERVICE_HOST`: the address that REST listens on.
    pub host: String,
    /// `CHAT_GRPC_HOST`: the address that gRPC listens on, by default that of REST.
    pub grpc_host: String,
    /// `CHAT_GRPC_PORT`: gRPC.
    pub grpc_port: u16,
    /// `CHAT_METRICS_HOST CHAT_METRICS_PORT`: where the operations endpoints are, if not on the REST port.
    pub operations: Option<OperationsAddress>,
    /// Postgres.
    pub database: DatabaseSettings,
    /// `NOTIFICATION_SERVICE_ADDR`: one `host:port` for each instance.
    pub notification_addresses: Vec<String>,
    /// `BCRYPT_COST`: each increment doubles the time to hash a password.
    pub bcrypt_cost: u32,
    /// How many passwords can be hashed at once: the number of cores minus one. Only tests change it.
    pub hash_permits: usize,
    /// `RATE_LIMIT_PER_MINUTE` and others.
    pub limits: LimitSettings,
    /// `DIRECT_CHATS_PER_USER`: a user who has this many direct chats cannot open another. 0 is no limit.
    pub max_chats: u32,
    /// `EVENTS` and others.
    pub messages: MessageSettings,
    /// `GROUP_MAX_MEMBERS` and others.
    pub groups: GroupSettings,
    /// `REFRESH_SECRET` and others.
    pub sessions: SessionSettings,
    /// `WS_PUBLIC_URL`: where clients reach notification-service, if not on its port of the host of the request.
    pub websocket_url: Option<String>,
    /// `WEB_CLIENT` and `NEONCHAT_WEB_DIR`: whether the web client is served, and from where.
    pub web_client: WebClient,
    /// `TRUSTED_PROXIES`: the proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// The names of all invalid settings.
    pub fn read(mut source: SettingsSource) -> Result<Self, InvalidSettings> {
        let mut settings = Self::read_all(&mut source);
        settings.common.warnings = source.finish()?;
        Ok(settings)
    }

    fn read_all(source: &mut SettingsSource) -> Self {
        let common = CommonSettings::read(source);
        let host = source.text("CHAT_SERVICE_HOST", "0.0.0.0");
        let database = DatabaseSettings::read(source, common.environment);
        let bcrypt_cost = bcrypt_cost(source, common.environment);
        let limits = LimitSettings::read(source, common.environment);
        Self {
            grpc_host: source.optional("CHAT_GRPC_HOST").unwrap_or(&host).to_owned(),
            operations: OperationsAddress::read(source, "CHAT_METRICS_HOST", "CHAT_METRICS_PORT", &host),
            host,
            grpc_port: source.port("CHAT_GRPC_PORT", 8083),
            database,
            notification_addresses: source.addresses("NOTIFICATION_SERVICE_ADDR", "localhost:8081"),
            bcrypt_cost,
            hash_permits: available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1)),
            groups: GroupSettings::read(source, limits),
            sessions: SessionSettings::read(source, &common),
            websocket_url: websocket_url(source),
            web_client: WebClient::read(source, common.environment),
            max_chats: max_chats(source, common.environment),
            messages: MessageSettings::read(source, limits),
            limits,
            trusted_proxies: TrustedProxies::read(source),
            common,
        }
    }

    /// Makes settings from these values and the defaults, for tests.
    ///
    /// # Errors
    /// The names of all invalid settings.
    pub fn from_values<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidSettings> {
        Self::read(SettingsSource::from_values(values))
    }
}

fn websocket_url(source: &mut SettingsSource) -> Option<String> {
    const NAME: &str = "WS_PUBLIC_URL";
    let url = source.optional(NAME)?.to_owned();
    let is_websocket = |url: &Url| matches!(url.scheme(), "ws" | "wss") && url.has_host();
    if !Url::parse(&url).is_ok_and(|url| is_websocket(&url)) {
        source.problem(NAME, "a URL that starts with ws:// or wss://");
    }
    Some(url)
}

/// The lowest cost without a warning. Lower ones are for tests.
const MIN_PRODUCTION_BCRYPT_COST: u32 = 10;

fn bcrypt_cost(source: &mut SettingsSource, environment: Environment) -> u32 {
    const NAME: &str = "BCRYPT_COST";
    let cost = source.number(NAME, 10, 4, 16);
    if environment == Environment::Production && cost < MIN_PRODUCTION_BCRYPT_COST {
        source.warn(NAME, "below 10, passwords from a stolen database are cheap to crack");
    }
    cost
}

fn max_chats(source: &mut SettingsSource, environment: Environment) -> u32 {
    const NAME: &str = "DIRECT_CHATS_PER_USER";
    let limit = source.number(NAME, 5000, 0, 1_000_000);
    if environment == Environment::Production && limit == 0 {
        source.warn(NAME, "0 lets a user open any number of chats, and the cost of each socket grows with that number");
    }
    limit
}

#[cfg(test)]
mod tests {
    use neonchat_testbed::env_example;
    use tokio_postgres::config::SslMode;

    use super::*;

    const PRODUCTION: [(&str, &str); 4] = [
        ("APP_ENV", "production"),
        ("JWT_SECRET", "8f3f0c1a5e7b92d64c80a1b3d5e7f901"),
        ("INTERNAL_TOKEN", "f0e1d2c3b4a5968778695a4b3c2d1e0f"),
        ("REFRESH_SECRET", "a9c1e3b5d7f90123456789abcdef0246"),
    ];

    #[test]
    fn has_the_defaults_of_the_specification() {
        let settings = Settings::from_values([]).expect("read settings");
        assert_eq!((settings.common.chat_port, settings.grpc_port, settings.bcrypt_cost), (8080, 8083, 10));
        let connection = &settings.database.connection;
        assert_eq!((connection.get_user(), connection.get_dbname()), (Some("neon"), Some("neondb")));
        assert_eq!(connection.get_ssl_mode(), SslMode::Disable);
        assert_eq!(settings.notification_addresses, ["localhost:8081"]);
        assert_eq!(settings.limits.requests_per_minute, 100);
    }

    #[test]
    fn prefers_the_url_to_its_parts() {
        let values = [("DATABASE_URL", "postgres://u:p@h:1/d"), ("DB_HOST", "other"), ("DB_SSLMODE", "require")];
        let connection = Settings::from_values(values).expect("read settings").database.connection;
        assert_eq!((connection.get_dbname(), connection.get_ports()), (Some("d"), &[1][..]));
        assert_eq!(connection.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn reports_all_invalid_settings_together() {
        let values = [
            ("DATABASE_URL", "nonsense"),
            ("DATABASE_READ_URL", "nonsense too"),
            ("BCRYPT_COST", "3"),
            ("DB_SSLMODE", "maybe"),
            ("RATE_LIMIT_PER_MINUTE", "-1"),
            ("TRUSTED_PROXIES", "10.0.0.1, everyone"),
        ];
        let error = Settings::from_values(values).expect_err("refuse settings").to_string();
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
    fn production_refuses_the_default_password_and_no_limits() {
        let values = PRODUCTION.into_iter().chain([("RATE_LIMIT_PER_MINUTE", "0")]);
        let error = Settings::from_values(values).expect_err("refuse settings").to_string();
        let names: Vec<_> = error.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["DB_PASSWORD", "RATE_LIMIT_PER_MINUTE"]);
    }

    #[test]
    fn production_accepts_weak_settings_with_warnings() {
        let values = [("DB_PASSWORD", "hunter22"), ("REDIS_PASSWORD", "hunter22"), ("BCRYPT_COST", "4")];
        let warnings =
            Settings::from_values(PRODUCTION.into_iter().chain(values)).expect("read settings").common.warnings;
        let names: Vec<_> = warnings.iter().map(|warning| warning.setting.as_str()).collect();
        assert_eq!(names, ["INTERNAL_TLS_CA_FILE", "BCRYPT_COST"]);
    }

    #[test]
    fn production_warns_of_each_disabled_limit() {
        let off = ["AUTH_RATE_LIMIT_PER_MINUTE", "LOGIN_FAILURES_PER_ADDRESS", "DIRECT_CHATS_PER_USER"];
        let passwords = [("DB_PASSWORD", "hunter22"), ("REDIS_PASSWORD", "hunter22")];
        let values = PRODUCTION.into_iter().chain(passwords).chain(off.map(|name| (name, "0")));
        let warnings = Settings::from_values(values).expect("read settings").common.warnings;
        let names: Vec<_> = warnings.iter().map(|warning| warning.setting.as_str()).collect();
        assert_eq!(names[1..], off, "{names:?}");
    }

    #[test]
    fn env_example_lists_each_setting_with_its_default() {
        let mut source = SettingsSource::from_values([]);
        Settings::read_all(&mut source);
        assert_eq!(*source.requested(), env_example::listed_for("chat-service"));
    }

    #[test]
    fn debug_shows_no_secret() {
        let secrets = [
            ("DB_PASSWORD", "hunter22"),
            ("DATABASE_READ_URL", "postgres://u:hunter22@h/d"),
            ("REDIS_PASSWORD", "hunter22"),
            ("JWT_SECRET", "hunter22"),
            ("INTERNAL_TOKEN", "hunter22"),
            ("REFRESH_SECRET", "hunter22"),
        ];
        let settings = Settings::from_values(secrets).expect("read settings");
        assert!(!format!("{settings:?}").contains("hunter22"));
    }
}
