//! The settings of both services.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    Environment, LogFormat, SettingsSource, TraceSettings, Warning, redis,
    secret::{DEFAULT_INTERNAL_TOKEN, DEFAULT_JWT_SECRET},
};
use crate::{
    origin::{AllowedOrigins, ClientOrigins},
    redis::namespace::Namespace,
    tls::{Tls, TlsError},
};

/// The settings of both services.
#[derive(Clone, Debug)]
pub struct CommonSettings {
    /// `APP_ENV`
    pub environment: Environment,
    /// `LOG_LEVEL`: a level, or directives of `tracing_subscriber::EnvFilter`.
    pub log_level: String,
    /// `LOG_FORMAT`: by default text on a terminal and JSON elsewhere.
    pub log_format: Option<LogFormat>,
    /// `JWT_SECRET`
    pub jwt_secret: SecretString,
    /// `JWT_EXPIRE_HOURS`
    pub jwt_lifetime: Duration,
    /// gRPC between the services.
    pub grpc: GrpcSettings,
    /// `REDIS_URL`, or the URL from `REDIS_HOST`, `REDIS_PORT`, `REDIS_PASSWORD` and `REDIS_DB`.
    pub redis_url: SecretString,
    /// `REDIS_NAMESPACE`: the prefix of all keys and channels.
    pub redis_namespace: Namespace,
    /// `CORS_ALLOWED_ORIGINS`: the origins of pages that may use the API from a browser.
    pub allowed_origins: AllowedOrigins,
    /// `PUBLIC_URL`: where people reach the client, without a `/` at the end.
    pub public_url: String,
    /// `CHAT_SERVICE_PORT`: the port for REST, from which the client is served.
    pub chat_port: u16,
    /// `NOTIFICATION_WS_PORT`: the port for WebSocket.
    pub websocket_port: u16,
    /// The export of traces.
    pub traces: TraceSettings,
    /// The warnings about all settings, including those of the service.
    pub warnings: Vec<Warning>,
}

/// gRPC between the services.
#[derive(Clone, Debug)]
pub struct GrpcSettings {
    /// `INTERNAL_TOKEN`: the secret in each call.
    pub internal_token: SecretString,
    /// `GRPC_TIMEOUT`: the maximum timeout of a call, for all its attempts.
    pub timeout: Duration,
    /// `GRPC_MAX_RETRIES`: the maximum number of attempts of a call.
    pub attempts: usize,
    /// `INTERNAL_TLS_CA_FILE`, `INTERNAL_TLS_CERT_FILE` and `INTERNAL_TLS_KEY_FILE`: mutual TLS between the services. Without it,
    /// calls are not encrypted.
    pub tls: Option<Tls>,
}

impl GrpcSettings {
    fn read(source: &mut SettingsSource, environment: Environment) -> Self {
        let settings = Self {
            internal_token: source.key("INTERNAL_TOKEN", DEFAULT_INTERNAL_TOKEN, environment),
            timeout: source.duration("GRPC_TIMEOUT", Duration::from_secs(10), Duration::from_mins(1)),
            attempts: source.number("GRPC_MAX_RETRIES", 3, 1, 10),
            tls: tls(source),
        };
        if environment == Environment::Production && settings.tls.is_none() {
            source.warn(CA_FILE, "calls between the services are not encrypted");
        }
        settings
    }
}

impl CommonSettings {
    /// Reads the settings.
    pub fn read(source: &mut SettingsSource) -> Self {
        let environment = source.choice(
            "APP_ENV",
            ("development", Environment::Development),
            &[("test", Environment::Development), ("production", Environment::Production)],
        );
        let jwt_secret = source.key("JWT_SECRET", DEFAULT_JWT_SECRET, environment);
        let grpc = GrpcSettings::read(source, environment);
        if environment == Environment::Production && grpc.internal_token.expose_secret() == jwt_secret.expose_secret() {
            source.problem("INTERNAL_TOKEN", "another secret than JWT_SECRET where APP_ENV=production");
        }
        let jwt_hours = source.number("JWT_EXPIRE_HOURS", 24, 1, 24 * 365);
        Self {
            environment,
            log_level: source.text("LOG_LEVEL", "info"),
            log_format: log_format(source),
            jwt_secret,
            jwt_lifetime: Duration::from_secs(jwt_hours * 3600),
            grpc,
            redis_url: redis::url(source, environment),
            redis_namespace: redis_namespace(source),
            allowed_origins: allowed_origins(source),
            public_url: public_url(source),
            chat_port: source.port("CHAT_SERVICE_PORT", 8080),
            websocket_port: source.port("NOTIFICATION_WS_PORT", 8082),
            traces: TraceSettings::read(source),
            warnings: Vec::new(),
        }
    }

    /// Returns the origins whose pages may open a WebSocket.
    #[must_use]
    pub fn client_origins(&self) -> ClientOrigins {
        ClientOrigins::new(self.allowed_origins.clone(), &self.public_url, self.chat_port)
    }

    /// Logs the warnings.
    pub fn log_warnings(&self) {
        for Warning { setting, text } in &self.warnings {
            tracing::warn!(setting, "{text}");
        }
    }
}

fn log_format(source: &mut SettingsSource) -> Option<LogFormat> {
    const FORMATS: [(&str, Option<LogFormat>); 2] = [("text", Some(LogFormat::Text)), ("json", Some(LogFormat::Json))];
    source.choice("LOG_FORMAT", ("", None), &FORMATS)
}

const CA_FILE: &str = "INTERNAL_TLS_CA_FILE";

fn tls(source: &mut SettingsSource) -> Option<Tls> {
    const NAMES: [&str; 3] = [CA_FILE, "INTERNAL_TLS_CERT_FILE", "INTERNAL_TLS_KEY_FILE"];
    let paths = NAMES.map(|name| source.optional(name).map(str::to_owned));
    if paths.iter().all(Option::is_none) {
        return None;
    }
    let mut read = |at: usize| match &paths[at] {
        None => {
            source.problem(NAMES[at], "set where the other INTERNAL_TLS_ files are");
            None
        }
        Some(path) => {
            let pem = std::fs::read_to_string(path);
            pem.inspect_err(|error| source.problem(NAMES[at], &format!("a PEM file that can be read ({error})"))).ok()
        }
    };
    let (authority, certificate, key) = (read(0), read(1), read(2).map(SecretString::from));
    let tls = Tls::from_pem(&authority?, &certificate?, key?.expose_secret());
    tls.inspect_err(|error| {
        let name = match error {
            TlsError::Authority => NAMES[0],
            TlsError::Certificate => NAMES[1],
            TlsError::Key => NAMES[2],
        };
        source.problem(name, &error.to_string());
    })
    .ok()
}

fn allowed_origins(source: &mut SettingsSource) -> AllowedOrigins {
    const NAME: &str = "CORS_ALLOWED_ORIGINS";
    let list = source.list(NAME, "");
    AllowedOrigins::parse(list.iter().map(String::as_str)).unwrap_or_else(|_| {
        source.problem(NAME, "a comma-separated list of origins such as https://chat.example.org, each without a path");
        AllowedOrigins::default()
    })
}

fn public_url(source: &mut SettingsSource) -> String {
    const NAME: &str = "PUBLIC_URL";
    let url = source.text(NAME, "http://localhost:8080");
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !Url::parse(&url).is_ok_and(|url| is_web(&url)) {
        source.problem(NAME, "a URL that starts with http:// or https://");
    }
    url.trim_end_matches('/').to_owned()
}

fn redis_namespace(source: &mut SettingsSource) -> Namespace {
    const NAME: &str = "REDIS_NAMESPACE";
    let Some(name) = source.optional(NAME) else { return Namespace::default() };
    Namespace::parse(name).unwrap_or_else(|| {
        source.problem(NAME, "1 to 32 of a-z, 0-9, _ and -");
        Namespace::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two random secrets.
    const KEYS: [&str; 2] = ["8f3f0c1a5e7b92d64c80a1b3d5e7f901", "f0e1d2c3b4a5968778695a4b3c2d1e0f"];

    fn production(values: &[(&str, &str)]) -> Result<Vec<Warning>, String> {
        let values = [("APP_ENV", "production")].into_iter().chain(values.iter().copied());
        let mut source = SettingsSource::from_values(values);
        CommonSettings::read(&mut source);
        source.finish().map_err(|error| error.to_string())
    }

    #[test]
    fn production_requires_two_random_keys() {
        let [jwt, internal] = KEYS;
        assert!(production(&[("JWT_SECRET", jwt), ("INTERNAL_TOKEN", internal)]).is_ok());
        for (jwt, internal, expected) in [
            ("", internal, &["JWT_SECRET should be a random secret"][..]),
            (jwt, "", &["INTERNAL_TOKEN should be a random secret"]),
            ("a", "b", &["JWT_SECRET should be a random secret", "INTERNAL_TOKEN should be a random secret"]),
            (jwt, DEFAULT_JWT_SECRET, &["INTERNAL_TOKEN should be a random secret"]),
            (jwt, jwt, &["INTERNAL_TOKEN should be another secret than JWT_SECRET"]),
        ] {
            let error = production(&[("JWT_SECRET", jwt), ("INTERNAL_TOKEN", internal)]).expect_err("reject settings");
            assert_eq!(error.lines().count(), expected.len(), "{error}");
            assert!(error.lines().zip(expected).all(|(line, start)| line.starts_with(start)), "{error}");
        }
    }

    #[test]
    fn production_warns_about_unprotected_connections() {
        let warned = |more: &[(&str, &str)]| {
            let values: Vec<_> = [("JWT_SECRET", KEYS[0]), ("INTERNAL_TOKEN", KEYS[1])]
                .into_iter()
                .chain(more.iter().copied())
                .collect();
            let warnings = production(&values).expect("read settings").into_iter();
            warnings.map(|warning| format!("{}: {}", warning.setting, warning.text)).collect::<Vec<_>>()
        };
        let calls = "INTERNAL_TLS_CA_FILE: calls between the services are not encrypted".to_owned();
        let password = "REDIS_PASSWORD: redis has no password".to_owned();
        let plain = "REDIS_URL: the connection to redis is not encrypted; rediss:// is TLS".to_owned();
        assert_eq!(warned(&[]), [calls.clone(), password.clone()]);
        assert_eq!(warned(&[("REDIS_HOST", "redis.example")]), [calls.clone(), password, plain.clone()]);
        assert_eq!(warned(&[("REDIS_URL", "redis://:hunter22@[::1]:6379/0?")]), [&*calls]);
        assert_eq!(warned(&[("REDIS_URL", "rediss://:hunter22@redis.example/0")]), [&*calls]);
        let cluster = "redis-cluster://:hunter22@127.0.0.1:1?node=redis.example:2";
        assert_eq!(warned(&[("REDIS_URL", cluster)]), [calls, plain]);
    }

    #[test]
    fn rejects_invalid_origin() {
        let read = |list| CommonSettings::read(&mut SettingsSource::from_values([("CORS_ALLOWED_ORIGINS", list)]));
        assert!(read("https://a.example, http://b.example:3000").allowed_origins.lists("http://b.example:3000"));
        let mut source = SettingsSource::from_values([("CORS_ALLOWED_ORIGINS", "https://a.example,*")]);
        CommonSettings::read(&mut source);
        let error = source.finish().expect_err("reject setting").to_string();
        assert!(error.starts_with("CORS_ALLOWED_ORIGINS should be a comma-separated list of origins"), "{error}");
    }
}
