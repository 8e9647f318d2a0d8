//! Conversion of times between Postgres and gRPC (microseconds since the Unix epoch) and JSON (RFC 3339).

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use serde::Serializer;

/// Returns the time that is `micros` microseconds after the Unix epoch. `None` outside the years 0 to 9999, which RFC 3339
/// cannot express.
#[must_use]
pub fn from_micros(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).filter(|time| (0..=9999).contains(&time.year()))
}

/// Returns the time as RFC 3339 in UTC, always with microseconds, so that times also sort as text.
#[must_use]
pub fn rfc3339(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// [`rfc3339`] for `#[serde(serialize_with = "…")]`.
///
/// # Errors
/// Returns the error of the serializer.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(time))
}

/// Serializes a time that may be absent, for `#[serde(serialize_with = "…")]`.
///
/// # Errors
/// As [`serialize`].
pub fn serialize_option<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_times_that_rfc_3339_cannot_express() {
        let (first, last) = (-62_167_219_200_000_000, 253_402_300_799_999_999);
        let text = |micros| from_micros(micros).map(|time| rfc3339(&time));
        assert_eq!(text(first).as_deref(), Some("0000-01-01T00:00:00.000000Z"));
        assert_eq!(text(last).as_deref(), Some("9999-12-31T23:59:59.999999Z"));
        for micros in [first - 1, last + 1, i64::MIN, i64::MAX] {
            assert_eq!(text(micros), None, "{micros}");
        }
    }
}
