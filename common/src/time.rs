//! Time between Postgres (microseconds), gRPC (microseconds as an integer) and JSON (RFC 3339).

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// The moment that lies this many microseconds after the Unix epoch; the epoch itself for a number out of range.
#[must_use]
pub fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// RFC 3339, UTC, always with microseconds, so that times of one chat also sort as text.
#[must_use]
pub fn rfc3339(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// [`rfc3339`] for `#[serde(serialize_with = "…")]`.
///
/// # Errors
/// As the serializer.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(time))
}
