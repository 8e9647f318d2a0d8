//! The settings of the rate limits.

use neonchat_common::settings::{Environment, SettingsSource};

const MAX: u32 = 1_000_000;

/// The rate limits on clients. 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitSettings {
    /// `RATE_LIMIT_PER_MINUTE`: requests of a user, or of an address without a valid token. If it is 0, the other
    /// limits are 0 too.
    pub requests_per_minute: u32,
    /// `AUTH_RATE_LIMIT_PER_MINUTE`: requests of an address to `/auth`.
    pub auth_per_minute: u32,
    /// `LOGIN_FAILURES_PER_NAME`: failed logins for one name from one address in 15 minutes.
    pub failures_per_name: u32,
    /// `LOGIN_FAILURES_PER_ADDRESS`: failed logins from one address in an hour.
    pub failures_per_address: u32,
    /// `REACTIONS_PER_SECOND`: changes of reactions of a user.
    pub reactions_per_second: u32,
}

impl LimitSettings {
    pub(super) fn read(source: &mut SettingsSource, environment: Environment) -> Self {
        let limits = Self {
            requests_per_minute: against_guessing(source, "RATE_LIMIT_PER_MINUTE", 100, environment),
            auth_per_minute: bounding(source, "AUTH_RATE_LIMIT_PER_MINUTE", 60, environment),
            failures_per_name: against_guessing(source, "LOGIN_FAILURES_PER_NAME", 10, environment),
            failures_per_address: bounding(source, "LOGIN_FAILURES_PER_ADDRESS", 100, environment),
            reactions_per_second: source.number("REACTIONS_PER_SECOND", 5, 0, 1000),
        };
        let off = Self {
            requests_per_minute: 0,
            auth_per_minute: 0,
            failures_per_name: 0,
            failures_per_address: 0,
            reactions_per_second: 0,
        };
        if limits.requests_per_minute == 0 { off } else { limits }
    }
}

/// Reads a limit that production may switch off, with a warning.
fn bounding(source: &mut SettingsSource, name: &str, default: u32, environment: Environment) -> u32 {
    let limit = source.number(name, default, 0, MAX);
    if environment == Environment::Production && limit == 0 {
        source.warn(name, "0 switches this limit off");
    }
    limit
}

/// Reads a limit that production must not switch off.
fn against_guessing(source: &mut SettingsSource, name: &str, default: u32, environment: Environment) -> u32 {
    let limit = source.number(name, default, 0, MAX);
    if environment == Environment::Production && limit == 0 {
        source.problem(name, "above 0 if APP_ENV=production; 0 lets anyone guess passwords");
    }
    limit
}
