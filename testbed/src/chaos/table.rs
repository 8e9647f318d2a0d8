//! The outcomes, as a table that grows while the rounds go on.

use std::time::Duration;

use super::{checker::Breach, round::Outcome};

/// The columns after the name of the fault: what stands above them, and how wide they are.
const COLUMNS: [(&str, usize); 14] = [
    ("messages", 8),
    ("acked", 6),
    ("refused", 7),
    ("unknown", 7),
    ("doubt", 5),
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
refused: answers that were refusals, those to messages included that were stored when they were sent again
unknown: messages that were never answered    doubt: refused, and found to be stored when they were sent again
other: aborted, phantom, leaked    ack s: from the end of the fault to the first ack
all s: from the end of the fault until everybody had everything    MiB: the most that an instance of a service took";

/// The head of the table.
#[must_use]
pub fn head() -> String {
    line("fault", &COLUMNS.map(|(name, _)| name.to_owned()))
}

/// A row of it.
#[must_use]
pub fn row(outcome: &Outcome) -> String {
    let (figures, verdict) = (outcome.verdict.figures, &outcome.verdict);
    let others = [Breach::Aborted, Breach::Phantom, Breach::Leak];
    let other: usize = others.into_iter().map(|breach| verdict.count(breach)).sum();
    let cells = [
        figures.messages.to_string(),
        figures.acked.to_string(),
        figures.refusals.to_string(),
        figures.unknown.to_string(),
        figures.in_doubt.to_string(),
        verdict.count(Breach::Lost).to_string(),
        verdict.count(Breach::Duplicate).to_string(),
        verdict.count(Breach::Order).to_string(),
        verdict.count(Breach::Skip).to_string(),
        other.to_string(),
        seconds(outcome.first_ack),
        seconds(outcome.caught_up),
        (outcome.peak_memory / 1024).to_string(),
        if outcome.is_green() { "ok" } else { "BROKEN" }.to_owned(),
    ];
    let detail = if outcome.detail.is_empty() { String::new() } else { format!("  ({})", outcome.detail) };
    format!("{}{detail}", line(&outcome.fault.to_string(), &cells))
}

fn line(name: &str, cells: &[String; COLUMNS.len()]) -> String {
    let cells = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("  {cell:>width$}"));
    format!("{name:<NAME_WIDTH$}{}", cells.collect::<String>())
}

fn seconds(duration: Option<Duration>) -> String {
    duration.map_or("never".to_owned(), |duration| format!("{:.1}", duration.as_secs_f64()))
}
