//! Checks the scheduled messages: each is sent once, unless it is canceled.

use std::collections::HashMap;

use neonchat_common::ids::{SendId, UserId};

use super::{
    evidence::{CancelAnswer, Cancellation, Evidence, Row},
    sends::{is_open, is_scheduled},
    verdict::{Breach, Verdict},
};

pub(super) fn check(evidence: &Evidence, verdict: &mut Verdict) {
    let rows = || evidence.chats.values().flat_map(|chat| &chat.rows);
    let by_request: HashMap<(UserId, SendId), &Row> =
        rows().map(|row| ((row.message.sender, row.request_id), row)).collect();
    let mut by_text: HashMap<(UserId, &str), Vec<&Row>> = HashMap::new();
    for row in rows() {
        by_text.entry((row.message.sender, &row.message.text)).or_default().push(row);
    }
    for client in &evidence.clients {
        for (request, send) in client.sends.iter().filter(|(_, send)| is_scheduled(send)) {
            let sent = by_request.get(&(client.user, *request));
            // Texts are unique, so another message with this text is this one again.
            let same_text = by_text.get(&(client.user, &send.text)).map(Vec::as_slice).unwrap_or_default();
            if let Some(again) = same_text.iter().find(|row| row.request_id != *request) {
                let (chat, seq) = (again.message.chat, again.message.seq);
                verdict.add(Breach::Scheduled, || format!("{request} is sent a second time, as {chat} #{seq}"));
            }
            let cancellation = client.cancellations.get(request);
            match (sent, cancellation.map_or(Some(false), |canceled| is_canceled(canceled, is_open(send)))) {
                (None, Some(false)) => {
                    verdict
                        .add(Breach::Scheduled, || format!("{request} was scheduled in {}, but not sent", send.chat));
                }
                (Some(row), Some(true)) => {
                    let (chat, seq) = (row.message.chat, row.message.seq);
                    verdict.add(Breach::Scheduled, || format!("{request} was canceled, but is sent as {chat} #{seq}"));
                }
                _ => {}
            }
        }
    }
}

/// Returns whether a message is canceled; `None` if this is unknown. An open attempt to schedule it may do so after it was canceled.
fn is_canceled(cancellation: &Cancellation, may_be_scheduled_again: bool) -> Option<bool> {
    let Cancellation { attempts, answers } = cancellation;
    if answers.contains(&CancelAnswer::Canceled) {
        return (!may_be_scheduled_again).then_some(true);
    }
    let is_open = answers.len() < *attempts || answers.contains(&CancelAnswer::Indefinite);
    (!is_open).then_some(false)
}
