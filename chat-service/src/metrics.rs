//! Counters that start at 0 before their first event, so that the first event shows as an increase.

use metrics::describe_counter;
use neonchat_common::{
    grpc::client,
    security,
    telemetry::{by_label, start_at_zero},
};

use crate::{
    chats::service::receipts::MARKERS_WRITTEN,
    messages::expiry::EXPIRED_TOTAL,
    scheduled::sender::SCHEDULED_TOTAL,
    sessions::{
        ending::{END_REASONS, ENDED_TOTAL},
        service::{REFRESH_OUTCOMES, REFRESHES_TOTAL},
    },
};

/// Starts all counters of this service at 0.
pub(crate) fn start_counters(has_replica: bool) {
    security::describe();
    client::start_counters(client::NOTIFICATION_SERVICE_RPCS);
    start_at_zero("db_pool_timeouts_total", [[]]);
    start_at_zero("rate_limit_bypassed_total", [[]]);
    start_at_zero("rate_limited_total", by_label("limit", &["user", "address", "auth", "login", "refresh"]));
    describe_counter!("sessions_started_total", "Logins");
    start_at_zero("sessions_started_total", [[]]);
    describe_counter!(REFRESHES_TOTAL, "Refreshes of sessions, by outcome");
    start_at_zero(REFRESHES_TOTAL, by_label("outcome", &REFRESH_OUTCOMES));
    describe_counter!(ENDED_TOTAL, "Sessions that ended before their time, by reason");
    start_at_zero(ENDED_TOTAL, by_label("reason", &END_REASONS));
    describe_counter!(MARKERS_WRITTEN, "Members whose read or delivered marker moved by a receipt");
    start_at_zero(MARKERS_WRITTEN, [[]]);
    if has_replica {
        start_at_zero("db_reader_reads_total", by_label("outcome", &["answered", "behind", "away"]));
    }
    for kind in ["edit", "delete"] {
        let statuses = ["applied", "duplicate", "unchanged", "unavailable", "refused"];
        start_at_zero("chat_changes_total", statuses.map(|status| [("kind", kind), ("status", status)]));
    }
    describe_counter!("chat_group_changes_total", "Changes of groups and channels, by outcome");
    for kind in ["members_added", "members_removed", "member_changed", "chat_updated", "chat_closed"] {
        let statuses = ["applied", "duplicate", "unavailable", "refused"];
        start_at_zero("chat_group_changes_total", statuses.map(|status| [("kind", kind), ("status", status)]));
    }
    describe_counter!(SCHEDULED_TOTAL, "Scheduled messages, by what became of them when they were due");
    start_at_zero(SCHEDULED_TOTAL, by_label("status", &["sent", "refused", "postponed"]));
    describe_counter!(EXPIRED_TOTAL, "Messages that disappeared, and whose content was deleted");
    start_at_zero(EXPIRED_TOTAL, [[]]);
    for chat_type in ["direct", "group", "channel"] {
        let statuses = ["stored", "duplicate"];
        start_at_zero(
            "chat_messages_sent_total",
            statuses.map(|status| [("chat_type", chat_type), ("status", status)]),
        );
    }
    // The type of the chat is known only to its members.
    let statuses = ["duplicate", "refused"];
    start_at_zero("chat_messages_sent_total", statuses.map(|status| [("chat_type", "unknown"), ("status", status)]));
}
