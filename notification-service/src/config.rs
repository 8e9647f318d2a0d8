//! The settings of notification-service (`.env.example`).

use std::time::Duration;

use neonchat_common::{
    http::address::TrustedProxies,
    settings::{CommonSettings, Environment, InvalidSettings, OperationsAddress, SettingsSource},
};

/// All settings of the service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The settings that both services have.
    pub common: CommonSettings,
    /// `NOTIFICATION_SERVICE_HOST`: the address at which WebSocket listens.
    pub host: String,
    /// `NOTIFICATION_GRPC_HOST`: the address at which gRPC listens, by default that of WebSocket.
    pub grpc_host: String,
    /// `NOTIFICATION_GRPC_PORT`
    pub grpc_port: u16,
    /// `NOTIFICATION_METRICS_HOST`, `NOTIFICATION_METRICS_PORT`: the address of the operations endpoints, if they are not on
    /// the WebSocket port.
    pub operations: Option<OperationsAddress>,
    /// `CHAT_SERVICE_ADDR`: the gRPC addresses of chat-service, each as `host:port`.
    pub chat_service: Vec<String>,
    /// The settings of sockets.
    pub socket: SocketSettings,
    /// `TRUSTED_PROXIES`: the proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: TrustedProxies,
    /// `PRESENCE_OFFLINE_GRACE`: how long a user stays online after the last socket closed.
    pub offline_grace: Duration,
}

/// Limits and timeouts of sockets.
#[derive(Clone, Copy, Debug)]
pub struct SocketSettings {
    /// `WS_MAX_CONNECTIONS`: the most sockets on this instance.
    pub max_connections: usize,
    /// `WS_MAX_CONNECTIONS_PER_USER`: the most sockets of one user on this instance; 0 means no limit.
    pub max_connections_per_user: usize,
    /// `WS_MAX_CONNECTIONS_PER_ADDRESS`: the most sockets of one client address on this instance; 0 means no limit.
    pub max_connections_per_address: usize,
    /// `WS_MESSAGES_PER_SECOND`: the messages that a user may send each second, with a burst of twice as many; 0 means no limit.
    pub messages_per_second: u32,
    /// `WS_HEARTBEAT_INTERVAL`: how often the server pings.
    pub heartbeat: Duration,
    /// `WS_READ_TIMEOUT`: a socket from which nothing arrives for this time is closed.
    pub read_timeout: Duration,
    /// `WS_WRITE_TIMEOUT`: a socket that takes no data for this time is closed.
    pub write_timeout: Duration,
}

impl Settings {
    /// Reads all settings.
    ///
    /// # Errors
    /// Names every invalid setting.
    pub fn read(mut source: SettingsSource) -> Result<Self, InvalidSettings> {
        let mut settings = Self::read_all(&mut source);
        settings.common.warnings = source.finish()?;
        Ok(settings)
    }

    fn read_all(source: &mut SettingsSource) -> Self {
        const HOUR: Duration = Duration::from_hours(1);
        let secs = Duration::from_secs;
        let common = CommonSettings::read(source);
        let host = source.text("NOTIFICATION_SERVICE_HOST", "0.0.0.0");
        let (metrics_host, metrics_port) = ("NOTIFICATION_METRICS_HOST", "NOTIFICATION_METRICS_PORT");
        let settings = Self {
            common,
            operations: OperationsAddress::read(source, metrics_host, metrics_port, &host),
            grpc_host: source.optional("NOTIFICATION_GRPC_HOST").unwrap_or(&host).to_owned(),
            host,
            grpc_port: source.port("NOTIFICATION_GRPC_PORT", 8081),
            chat_service: source.addresses("CHAT_SERVICE_ADDR", "localhost:8083"),
            socket: SocketSettings {
                max_connections: source.number("WS_MAX_CONNECTIONS", 10_000, 1, 1_000_000),
                max_connections_per_user: source.number("WS_MAX_CONNECTIONS_PER_USER", 64, 0, 1_000_000),
                max_connections_per_address: source.number("WS_MAX_CONNECTIONS_PER_ADDRESS", 0, 0, 1_000_000),
                messages_per_second: source.number("WS_MESSAGES_PER_SECOND", 20, 0, 1_000_000),
                heartbeat: source.duration("WS_HEARTBEAT_INTERVAL", secs(30), HOUR),
                read_timeout: source.duration("WS_READ_TIMEOUT", secs(60), HOUR),
                write_timeout: source.duration("WS_WRITE_TIMEOUT", secs(10), HOUR),
            },
            trusted_proxies: TrustedProxies::read(source),
            offline_grace: source.duration("PRESENCE_OFFLINE_GRACE", secs(5), secs(60)),
        };
        if settings.socket.heartbeat.is_zero() {
            source.problem("WS_HEARTBEAT_INTERVAL", "longer than 0");
        }
        if settings.socket.read_timeout <= settings.socket.heartbeat {
            source.problem("WS_READ_TIMEOUT", "longer than WS_HEARTBEAT_INTERVAL, or every idle socket is closed");
        }
        if settings.common.environment == Environment::Production {
            settings.socket.warn_of_missing_limits(source);
        }
        settings
    }
}

impl SocketSettings {
    /// One connection without limits, with the default timeouts.
    #[cfg(any(test, feature = "test-support"))]
    pub const WITHOUT_LIMITS: Self = Self {
        max_connections: 1,
        max_connections_per_user: 0,
        max_connections_per_address: 0,
        messages_per_second: 0,
        heartbeat: Duration::from_secs(30),
        read_timeout: Duration::from_mins(1),
        write_timeout: Duration::from_secs(10),
    };

    fn warn_of_missing_limits(&self, source: &mut SettingsSource) {
        if self.max_connections_per_user == 0 {
            source.warn("WS_MAX_CONNECTIONS_PER_USER", "one user can take all sockets of an instance");
        }
        if self.max_connections_per_address == 0 {
            source.warn("WS_MAX_CONNECTIONS_PER_ADDRESS", "one address can take all sockets of an instance");
        }
        if self.messages_per_second == 0 {
            source.warn("WS_MESSAGES_PER_SECOND", "one user can send messages without a limit");
        }
    }
}

#[cfg(test)]
mod tests {
    use neonchat_testbed::env_example;

    use super::*;

    #[test]
    fn defaults_match_contract() {
        let settings = Settings::read(SettingsSource::from_values([])).expect("read settings");
        assert_eq!((settings.common.websocket_port, settings.grpc_port), (8082, 8081));
        assert_eq!(settings.chat_service, ["localhost:8083"]);
        assert_eq!(settings.socket.heartbeat, Duration::from_secs(30));
    }

    #[test]
    fn rejects_read_timeout_below_heartbeat() {
        let error =
            Settings::read(SettingsSource::from_values([("WS_READ_TIMEOUT", "10s")])).expect_err("read settings");
        assert!(error.to_string().starts_with("WS_READ_TIMEOUT"), "{error}");
    }

    #[test]
    fn warns_of_missing_limits_in_production() {
        let values = [
            ("APP_ENV", "production"),
            ("JWT_SECRET", "8f3f0c1a5e7b92d64c80a1b3d5e7f901"),
            ("INTERNAL_TOKEN", "f0e1d2c3b4a5968778695a4b3c2d1e0f"),
            ("REDIS_PASSWORD", "hunter22"),
            ("WS_MAX_CONNECTIONS_PER_USER", "0"),
            ("WS_MESSAGES_PER_SECOND", "0"),
        ];
        let warnings = Settings::read(SettingsSource::from_values(values)).expect("read settings").common.warnings;
        let names: Vec<_> = warnings.iter().map(|warning| warning.setting.as_str()).collect();
        let expected = [
            "INTERNAL_TLS_CA_FILE",
            "WS_MAX_CONNECTIONS_PER_USER",
            "WS_MAX_CONNECTIONS_PER_ADDRESS",
            "WS_MESSAGES_PER_SECOND",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn example_lists_each_setting_with_its_default() {
        let mut source = SettingsSource::from_values([]);
        Settings::read_all(&mut source);
        assert_eq!(*source.requested(), env_example::listed_for("notification-service"));
    }
}
