//! The settings of sessions.

use std::time::Duration;

use neonchat_common::settings::{CommonSettings, Environment, SettingsSource};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

const DAY: Duration = Duration::from_hours(24);

/// The rules for sessions.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// `REFRESH_SECRET`: the key from which refresh tokens are derived. By default it is derived from `JWT_SECRET`.
    pub refresh_key: hmac::Key,
    /// `REFRESH_EXPIRE_DAYS`: a session ends if it is not refreshed for this time.
    pub lifetime: Duration,
    /// `SESSIONS_PER_USER`: a further login ends the session that was used least recently.
    pub max_per_user: u32,
}

impl SessionSettings {
    pub(super) fn read(source: &mut SettingsSource, common: &CommonSettings) -> Self {
        let days = source.number("REFRESH_EXPIRE_DAYS", 30, 1, 3650);
        Self {
            refresh_key: refresh_key(source, common),
            // A session does not end before the token that was issued with it.
            lifetime: (days * DAY).max(common.jwt_lifetime),
            max_per_user: source.number("SESSIONS_PER_USER", 100, 1, 1000),
        }
    }
}

fn refresh_key(source: &mut SettingsSource, common: &CommonSettings) -> hmac::Key {
    const NAME: &str = "REFRESH_SECRET";
    let secret = source.optional_key(NAME, common.environment);
    let is =
        |other: &SecretString| secret.as_ref().is_some_and(|secret| secret.expose_secret() == other.expose_secret());
    if common.environment == Environment::Production && (is(&common.jwt_secret) || is(&common.grpc.internal_token)) {
        source.problem(NAME, "another secret than JWT_SECRET and INTERNAL_TOKEN where APP_ENV=production");
    }
    let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
    match secret {
        Some(secret) => key(secret.expose_secret().as_bytes()),
        // Another key than that of the tokens, so that neither kind can be passed for the other.
        None => {
            key(hmac::sign(&key(common.jwt_secret.expose_secret().as_bytes()), b"neonchat refresh tokens").as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<SessionSettings, String> {
        let mut source = SettingsSource::from_values(values.iter().copied());
        let common = CommonSettings::read(&mut source);
        let settings = SessionSettings::read(&mut source, &common);
        source.finish().map(|_| settings).map_err(|error| error.to_string())
    }

    fn mac(values: &[(&str, &str)]) -> Vec<u8> {
        hmac::sign(&read(values).expect("read settings").refresh_key, b"x").as_ref().to_vec()
    }

    #[test]
    fn derives_the_default_key_from_the_key_of_tokens() {
        assert_eq!(mac(&[]), mac(&[]));
        assert_ne!(mac(&[]), mac(&[("JWT_SECRET", "another")]));
        let own = [("REFRESH_SECRET", "own"), ("JWT_SECRET", "another")];
        assert_eq!(mac(&own), mac(&own[..1]));
    }

    #[test]
    fn production_requires_a_random_key_of_its_own() {
        let production = [
            ("APP_ENV", "production"),
            ("JWT_SECRET", "8f3f0c1a5e7b92d64c80a1b3d5e7f901"),
            ("INTERNAL_TOKEN", "f0e1d2c3b4a5968778695a4b3c2d1e0f"),
        ];
        let with = |secret| read(&[&production[..], &[("REFRESH_SECRET", secret)]].concat());
        assert!(with("a9c1e3b5d7f90123456789abcdef0246").is_ok());
        for bad in ["", "short", production[1].1, production[2].1] {
            let error = with(bad).expect_err("reject setting");
            assert!(error.starts_with("REFRESH_SECRET should be"), "{bad}: {error}");
        }
    }

    #[test]
    fn session_outlives_the_token_that_was_issued_with_it() {
        let settings = read(&[("JWT_EXPIRE_HOURS", "72"), ("REFRESH_EXPIRE_DAYS", "1")]).expect("read settings");
        assert_eq!(settings.lifetime, 3 * DAY);
    }
}
