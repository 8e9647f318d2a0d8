//! Counters that exist before their first event, so that the first one is seen as an increase.

use neonchat_common::{grpc::client, security, telemetry::start_at_zero};

/// Counters without labels.
const PLAIN: [&str; 1] = ["rate_limit_bypassed_total"];

/// Counters by one label.
const LABELLED: [(&str, &str, &[&str]); 1] = [("rate_limited_total", "limit", &["user", "address", "auth", "login"])];

/// Counters that exist only where there is a replica.
const OF_READER: (&str, &str, &[&str]) = ("db_reader_reads_total", "outcome", &["answered", "behind", "away"]);

/// Starts all counters of this service at 0.
pub(crate) fn start_counters(has_reader: bool) {
    security::describe();
    start_at_zero(&PLAIN, &LABELLED);
    client::start_counters(client::NOTIFICATION_SERVICE);
    if has_reader {
        start_at_zero(&[], &[OF_READER]);
    }
    for status in ["stored", "duplicate", "refused"] {
        metrics::counter!("chat_messages_sent_total", "chat_type" => "direct", "status" => status).increment(0);
    }
}
