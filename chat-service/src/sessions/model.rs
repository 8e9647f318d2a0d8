//! Sessions, and what continues them.

use std::time::Duration;

use actix_web::{HttpRequest, http::header::USER_AGENT};
use chrono::{DateTime, TimeDelta, Utc};
use neonchat_common::{
    http::address::ClientAddress,
    ids::{SessionId, UserId},
    time,
};
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    groups::texts::parse_line,
    validation::{PageLimit, ValidationError},
};

/// For how long after its use a refresh token gets the same successor again. Two tabs, a lost answer or a retry are no theft.
pub(super) const GRACE: TimeDelta = TimeDelta::seconds(60);

/// The longest name of a device, in characters.
const MAX_DEVICE_NAME: usize = 64;

/// How much of the `User-Agent` header is kept, in characters.
const MAX_USER_AGENT: usize = 256;

/// The page size of the list of sessions.
pub(super) type SessionLimit = PageLimit<100, 100>;

/// Parses the name of a device.
pub(crate) fn parse_device_name(name: String) -> Result<String, ValidationError> {
    parse_line(name, MAX_DEVICE_NAME)
}

/// What a request tells of the device that sent it.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// The `User-Agent` header, shortened, without control characters.
    pub(super) user_agent: Option<String>,
    /// The network of the client's address.
    pub(super) ip_prefix: String,
}

impl Device {
    pub(crate) fn of(request: &HttpRequest, from: ClientAddress) -> Self {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT).collect::<String>()
        };
        let user_agent = request.headers().get(USER_AGENT).map(|value| text(value.as_bytes()));
        Self { user_agent, ip_prefix: from.prefix() }
    }
}

/// The user of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionUser {
    pub(crate) id: UserId,
    pub(crate) username: String,
}

/// What a client gets at a login and at each refresh.
pub(crate) struct Grant {
    pub(crate) user: SessionUser,
    pub(crate) session: SessionId,
    /// A JWT.
    pub(crate) token: SecretString,
    /// How long the token is valid.
    pub(crate) expires_in: Duration,
    pub(crate) refresh_token: SecretString,
    /// How long the refresh token is valid.
    pub(crate) refresh_expires_in: Duration,
}

/// What a refresh token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presented {
    /// It is the valid one.
    Current,
    /// Its successor was derived a moment ago, and is derived again.
    Repeated,
    /// It was replaced before, and someone has used its successors, or had the time to.
    Reused,
}

impl Presented {
    /// Compares the number of a refresh token with that of the valid one, whose predecessor was used `since` ago.
    ///
    /// A number above that of the valid one is genuine, too: the database was restored from a backup, or a failover lost the last
    /// transactions. Then the session goes on from there.
    pub(super) fn judge(counter: i32, valid: i32, since: TimeDelta) -> Self {
        if counter >= valid {
            Self::Current
        } else if counter == valid - 1 && since <= GRACE {
            Self::Repeated
        } else {
            Self::Reused
        }
    }
}

/// What came of a refresh.
#[derive(Clone, Debug)]
pub(super) enum Refreshed {
    /// The session goes on.
    Continued {
        user: SessionUser,
        /// The number of the successor.
        counter: i32,
        expires_in: Duration,
        /// Whether the successor was derived before.
        is_repeated: bool,
    },
    /// The token was used before its successors were. The session of this user ended with this.
    Reused(UserId),
    /// The session has ended, or there is none.
    Ended,
}

/// Which sessions of a user end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    One(SessionId),
    /// All, with the tokens that belong to no session, but for this one.
    AllBut(Option<SessionId>),
}

/// A page of the caller's sessions, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionList {
    /// The sessions on this page.
    pub(crate) sessions: Vec<SessionItem>,
    /// The value of `after` for the next page; `null` if this is the last one.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A session: one login on one device.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SessionItem {
    /// The id of the session.
    pub(crate) id: SessionId,
    /// The name that the client gave at the login; `null` if it gave none.
    #[schema(required, examples("Alice's phone"))]
    pub(crate) device_name: Option<String>,
    /// The `User-Agent` header of the login or the last refresh.
    #[schema(required, examples("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"))]
    pub(crate) user_agent: Option<String>,
    /// The network from which the login or the last refresh came: the first 24 bits of an IPv4 address, or 48 of an IPv6 address.
    #[schema(examples("203.0.113.0/24"))]
    pub(crate) ip_prefix: String,
    /// When the user logged in.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) created_at: DateTime<Utc>,
    /// When the session was last used, to within an hour.
    #[serde(serialize_with = "time::serialize")]
    #[schema(examples("2026-01-02T03:04:05.000006Z"))]
    pub(crate) last_used_at: DateTime<Utc>,
    /// Whether it is the session of this request.
    pub(crate) current: bool,
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_the_last_predecessor_may_be_repeated_and_only_for_a_minute() {
        let (moment, minute, more) = (TimeDelta::zero(), GRACE, GRACE + TimeDelta::microseconds(1));
        for (counter, since, expected) in [
            (7, moment, Presented::Current),
            (7, TimeDelta::days(20), Presented::Current),
            (9, moment, Presented::Current),
            (6, moment, Presented::Repeated),
            (6, minute, Presented::Repeated),
            // The statement began before the rotation was committed.
            (6, TimeDelta::milliseconds(-5), Presented::Repeated),
            (6, more, Presented::Reused),
            (5, moment, Presented::Reused),
            (0, moment, Presented::Reused),
        ] {
            assert_eq!(Presented::judge(counter, 7, since), expected, "{counter} {since}");
        }
        assert_eq!(Presented::judge(0, 0, more), Presented::Current);
    }

    #[test]
    fn keeps_the_start_of_a_printable_user_agent() {
        let from = ClientAddress::of([203, 0, 113, 77].into());
        let agent = |value: &[u8]| {
            let request = TestRequest::default().insert_header((USER_AGENT, value)).to_http_request();
            Device::of(&request, from).user_agent.expect("user agent")
        };
        assert_eq!(agent(b"curl/8\t"), "curl/8");
        assert_eq!(agent(&[b'x'; 300]).len(), MAX_USER_AGENT);
        assert_eq!(agent(b"caf\xe9"), "caf\u{fffd}");
        let without = Device::of(&TestRequest::default().to_http_request(), from);
        assert_eq!((without.user_agent, without.ip_prefix.as_str()), (None, "203.0.113.0/24"));
    }
}
