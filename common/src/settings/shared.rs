//! The settings that both services have.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Environment, LogFormat, Reader, TraceSettings};
use crate::{
    grpc::tls::{Tls, TlsError},
    origin::AllowedOrigins,
};

/// The settings that both services have.
#[derive(Clone, Debug)]
pub struct CommonSettings {
    /// `APP_ENV`
    pub environment: Environment,
    /// `LOG_LEVEL`: a level, or directives as of `tracing_subscriber::EnvFilter`.
    pub log_level: String,
    /// `LOG_FORMAT`
    pub log_format: LogFormat,
    /// `JWT_SECRET`
    pub jwt_secret: SecretString,
    /// `JWT_EXPIRE_HOURS`
    pub jwt_lifetime: Duration,
    /// gRPC between the services.
    pub grpc: GrpcSettings,
    /// `REDIS_URL`, or made of `REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_DB`.
    pub redis_url: SecretString,
    /// `CORS_ALLOWED_ORIGINS`: the pages that may talk to us from a browser, beside our own.
    pub allowed_origins: AllowedOrigins,
    /// Where traces go.
    pub traces: TraceSettings,
}

/// gRPC between the services.
#[derive(Clone, Debug)]
pub struct GrpcSettings {
    /// `INTERNAL_TOKEN`: the secret on every call.
    pub internal_token: SecretString,
    /// `GRPC_TIMEOUT`: the longest that a call takes, with all its attempts.
    pub timeout: Duration,
    /// `GRPC_MAX_RETRIES`: how often a call is attempted in all.
    pub attempts: usize,
    /// `INTERNAL_TLS_CA_FILE INTERNAL_TLS_CERT_FILE INTERNAL_TLS_KEY_FILE`: the certificates by which the services know each
    /// other; without them calls are not encrypted.
    pub tls: Option<Tls>,
}

impl GrpcSettings {
    fn read(reader: &mut Reader, environment: Environment) -> Self {
        Self {
            internal_token: reader.production_secret("INTERNAL_TOKEN", "internal-token-for-development", environment),
            timeout: reader.duration("GRPC_TIMEOUT", Duration::from_secs(10), Duration::from_mins(1)),
            attempts: reader.number("GRPC_MAX_RETRIES", 3, 1, 10),
            tls: tls(reader),
        }
    }
}

impl CommonSettings {
    /// Reads them.
    pub fn read(reader: &mut Reader) -> Self {
        let environment = reader.choice(
            "APP_ENV",
            ("development", Environment::Development),
            &[("test", Environment::Development), ("production", Environment::Production)],
        );
        let jwt_hours = reader.number("JWT_EXPIRE_HOURS", 24, 1, 24 * 365);
        Self {
            environment,
            log_level: reader.text("LOG_LEVEL", "info"),
            log_format: reader.choice("LOG_FORMAT", ("text", LogFormat::Text), &[("json", LogFormat::Json)]),
            jwt_secret: reader.production_secret(
                "JWT_SECRET",
                "your-super-secret-jwt-key-change-in-production",
                environment,
            ),
            jwt_lifetime: Duration::from_secs(jwt_hours * 3600),
            grpc: GrpcSettings::read(reader, environment),
            redis_url: redis_url(reader),
            allowed_origins: allowed_origins(reader),
            traces: TraceSettings::read(reader),
        }
    }
}

fn tls(reader: &mut Reader) -> Option<Tls> {
    const NAMES: [&str; 3] = ["INTERNAL_TLS_CA_FILE", "INTERNAL_TLS_CERT_FILE", "INTERNAL_TLS_KEY_FILE"];
    let paths = NAMES.map(|name| reader.optional(name).map(str::to_owned));
    if paths.iter().all(Option::is_none) {
        return None;
    }
    let mut read = |at: usize| match &paths[at] {
        None => {
            reader.problem(NAMES[at], "set where the other INTERNAL_TLS_ files are");
            None
        }
        Some(path) => {
            let pem = std::fs::read_to_string(path);
            pem.inspect_err(|error| reader.problem(NAMES[at], &format!("a PEM file that can be read ({error})"))).ok()
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
        reader.problem(name, &error.to_string());
    })
    .ok()
}

fn allowed_origins(reader: &mut Reader) -> AllowedOrigins {
    const NAME: &str = "CORS_ALLOWED_ORIGINS";
    let list = reader.list(NAME, "");
    AllowedOrigins::parse(list.iter().map(String::as_str)).unwrap_or_else(|_| {
        reader.problem(NAME, "a comma list of origins such as https://chat.example.org, each without a path");
        AllowedOrigins::default()
    })
}

fn redis_url(reader: &mut Reader) -> SecretString {
    if let Some(url) = reader.optional("REDIS_URL") {
        return SecretString::from(url);
    }
    let host = reader.text("REDIS_HOST", "localhost");
    let port = reader.port("REDIS_PORT", 6379);
    let db = reader.number("REDIS_DB", 0, 0, 255);
    let password = reader.text("REDIS_PASSWORD", "");
    let mut url = format!("redis://{host}:{port}/{db}");
    // A password may have any character, so the URL is made by a library.
    if let Ok(mut parsed) = url::Url::parse(&url)
        && !password.is_empty()
        && parsed.set_password(Some(&password)).is_ok()
    {
        url = parsed.into();
    }
    SecretString::from(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_refuses_default_secrets() {
        let mut reader = Reader::from_values([("APP_ENV", "production"), ("JWT_SECRET", "mine")]);
        CommonSettings::read(&mut reader);
        let error = reader.finish().expect_err("bad settings").to_string();
        assert!(error.contains("INTERNAL_TOKEN") && !error.contains("JWT_SECRET"), "{error}");
    }

    #[test]
    fn an_origin_that_is_none_is_told() {
        let read = |list| CommonSettings::read(&mut Reader::from_values([("CORS_ALLOWED_ORIGINS", list)]));
        assert!(read("https://a.example, http://b.example:3000").allowed_origins.lists("http://b.example:3000"));
        let mut reader = Reader::from_values([("CORS_ALLOWED_ORIGINS", "https://a.example,*")]);
        CommonSettings::read(&mut reader);
        let error = reader.finish().expect_err("a bad setting").to_string();
        assert!(error.starts_with("CORS_ALLOWED_ORIGINS should be a comma list of origins"), "{error}");
    }

    #[test]
    fn the_redis_url_is_made_of_its_parts_or_wins_over_them() {
        let mut reader = Reader::from_values([("REDIS_HOST", "r"), ("REDIS_PASSWORD", "a/b@c"), ("REDIS_DB", "2")]);
        assert_eq!(redis_url(&mut reader).expose_secret(), "redis://:a%2Fb%40c@r:6379/2");
        let mut reader = Reader::from_values([("REDIS_HOST", "r"), ("REDIS_URL", "redis://x:1/0")]);
        assert_eq!(redis_url(&mut reader).expose_secret(), "redis://x:1/0");
    }
}
