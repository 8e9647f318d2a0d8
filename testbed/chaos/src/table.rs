//! The table of results. A row is printed after each round.

use std::time::Duration;

use super::{
    checker::Breach,
    round::{RoundOutcome, Step},
};

/// The columns after the name of the fault: heading and width in characters.
const COLUMNS: [(&str, usize); 18] = [
    ("messages", 8),
    ("acked", 6),
    ("refused", 7),
    ("unknown", 7),
    ("doubt", 5),
    ("changes", 7),
    ("groups", 6),
    ("react", 5),
    ("sched", 5),
    ("lost", 4),
    ("dup", 4),
    ("order", 5),
    ("skip", 4),
    ("other", 5),
    ("ack s", 6),
    ("all s", 6),
    ("MiB", 4),
    ("", 6),
];

const NAME_WIDTH: usize = 26;

/// What the columns mean.
pub const LEGEND: &str = "\
refused: error answers to sends, including sends that a later attempt stored
unknown: messages without a definite answer: none came, or `unavailable` or `internal`, and the client did not retry
doubt: messages stored by a send that was answered `unavailable` or `internal`
changes: edits and deletions that were stored    groups: changes of members and titles that were stored
react: reactions that were acked, also those taken back    sched: messages that were scheduled
other: aborted, phantom, leaked, after removal, stale, unread, mentions, reactions, scheduled
ack s: from the end of the fault to the first ack
all s: from the end of the fault until every client had every message    MiB: peak memory of a service instance";

/// Returns the heading of the table.
#[must_use]
pub fn head() -> String {
    line("fault", &COLUMNS.map(|(name, _)| name.to_owned()))
}

/// Returns the row of a round. If it had several faults, a line for each of them follows.
#[must_use]
pub fn row(outcome: &RoundOutcome) -> String {
    let (figures, verdict) = (outcome.verdict.figures, &outcome.verdict);
    let others = [
        Breach::Aborted,
        Breach::Phantom,
        Breach::Leak,
        Breach::AfterRemoval,
        Breach::Stale,
        Breach::Unread,
        Breach::Mentions,
        Breach::Reactions,
        Breach::Scheduled,
    ];
    let other: usize = others.into_iter().map(|breach| verdict.count(breach)).sum();
    let steps = &outcome.steps;
    let cells = [
        figures.messages.to_string(),
        figures.acked.to_string(),
        figures.refusals.to_string(),
        figures.unknown.to_string(),
        figures.in_doubt.to_string(),
        figures.changes.to_string(),
        figures.group_changes.to_string(),
        figures.reactions.to_string(),
        figures.scheduled.to_string(),
        verdict.count(Breach::Lost).to_string(),
        verdict.count(Breach::Duplicate).to_string(),
        verdict.count(Breach::Order).to_string(),
        verdict.count(Breach::Skip).to_string(),
        other.to_string(),
        longest(steps.iter().map(|step| step.first_ack)),
        longest(steps.iter().map(|step| step.caught_up)),
        (outcome.peak_memory / 1024).to_string(),
        if outcome.passed() { "ok" } else { "FAILED" }.to_owned(),
    ];
    match steps.as_slice() {
        [step] => format!("{}{}", line(&step.fault.to_string(), &cells), detail(step)),
        steps => {
            let steps = steps.iter().map(|step| {
                let (ack, all) = (seconds(step.first_ack), seconds(step.caught_up));
                format!("\n  {:<NAME_WIDTH$}ack s {ack:>4}  all s {all:>4}{}", step.fault.to_string(), detail(step))
            });
            format!("{}{}", line(&format!("{} faults:", steps.len()), &cells), steps.collect::<String>())
        }
    }
}

fn detail(step: &Step) -> String {
    let detail = &step.outcome.detail;
    if detail.is_empty() { String::new() } else { format!("  ({detail})") }
}

fn line(name: &str, cells: &[String; COLUMNS.len()]) -> String {
    let cells = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("  {cell:>width$}"));
    format!("{name:<NAME_WIDTH$}{}", cells.collect::<String>())
}

/// `None` counts as the longest.
fn longest(durations: impl Iterator<Item = Option<Duration>>) -> String {
    seconds(durations.collect::<Option<Vec<_>>>().and_then(|durations| durations.into_iter().max()))
}

fn seconds(duration: Option<Duration>) -> String {
    duration.map_or("never".to_owned(), |duration| format!("{:.1}", duration.as_secs_f64()))
}
