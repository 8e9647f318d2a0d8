//! Metrics that exist before their first event, so that a monitor sees that event as an increase; and counters of sends.

use neonchat_common::{
    error::ApiError,
    grpc::client,
    security,
    telemetry::{by_label, start_at_zero},
};

use crate::{
    protocol::{CHANGE_TYPES, CLIENT_TYPES, OTHER_TYPE, PERSONAL_TYPES, SERVER_TYPES},
    receipts::{OUTCOMES, RECEIPTS},
};

/// The `type` of `websocket_frames_total` for incoming frames that do not parse.
pub(crate) const BAD_TYPE: &str = "bad";

/// The pages of missed events that were read for catch-up, by source.
pub(crate) const CATCH_UP_PAGES: &str = "catch_up_pages_total";

/// The handshakes that were accepted only to be refused with a close code, by that code.
pub(crate) const REFUSED_HANDSHAKES: &str = "websocket_handshakes_refused_total";

const SENDS: &str = "sends_total";

/// Counters that have no labels.
const PLAIN: [&str; 8] = [
    "chat_resyncs_total",
    "presence_leases_lost_total",
    "presence_reaped_connections_total",
    "presence_reaped_leases_total",
    "presence_retries_total",
    "redis_foreign_envelopes_total",
    "redis_subscriber_lagged_total",
    "websocket_lagged_total",
];

/// Starts all counters of this service at 0.
pub(crate) fn start_counters() {
    security::describe();
    client::start_counters(client::CHAT_SERVICE_RPCS);
    for name in PLAIN {
        start_at_zero(name, [[]]);
    }
    start_at_zero("presence_events_total", by_label("event", &["online", "away", "offline"]));
    start_at_zero("redis_publishes_total", by_label("outcome", &["ok", "failed"]));
    start_at_zero(RECEIPTS, by_label("outcome", &OUTCOMES));
    start_at_zero(CATCH_UP_PAGES, by_label("source", &["memory", "chat_service"]));
    start_at_zero(SENDS, by_label("outcome", &["stored", "refused", "unavailable"]));
    start_at_zero(REFUSED_HANDSHAKES, by_label("code", &["4001", "4002", "4003", "4004", "4009", "4104"]));
    start_at_zero("websocket_frames_dropped_total", by_label("kind", &["ephemeral", "durable"]));
    let received = CLIENT_TYPES.iter().chain([&BAD_TYPE]).map(|kind| ("in", *kind));
    let sent =
        SERVER_TYPES.iter().chain(&CHANGE_TYPES).chain(&PERSONAL_TYPES).chain([&OTHER_TYPE]).map(|kind| ("out", *kind));
    let frames = received.chain(sent).map(|(direction, kind)| [("direction", direction), ("type", kind)]);
    start_at_zero("websocket_frames_total", frames);
}

/// Counts stored messages of sockets, duplicates included.
pub(crate) fn count_stored_sends(count: usize) {
    metrics::counter!(SENDS, "outcome" => "stored").increment(count as u64);
}

/// Counts a message of a socket that was not stored. The cause is the client (`refused`) or the server (`unavailable`).
pub(crate) fn count_refused_send(error: &ApiError) {
    let outcome = if error.code.http_status().is_server_error() { "unavailable" } else { "refused" };
    metrics::counter!(SENDS, "outcome" => outcome).increment(1);
}
