//! The result of all rounds of a run.

use std::{collections::BTreeMap, fmt};

use super::fault::Fault;

/// Returns whether this is a run in continuous integration, where every fault is required.
#[must_use]
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The failed rounds and the skipped faults of a run.
#[derive(Debug)]
pub struct Summary {
    require_all: bool,
    /// The commands that repeat the failed rounds.
    failed: Vec<String>,
    /// The reason for each skipped fault.
    skipped: BTreeMap<String, String>,
}

impl Summary {
    /// An empty summary. With `require_all` a skipped fault fails the run.
    #[must_use]
    pub const fn new(require_all: bool) -> Self {
        Self { require_all, failed: Vec::new(), skipped: BTreeMap::new() }
    }

    /// Adds a round in which a guarantee was violated, by the command that repeats it.
    pub fn add_failed(&mut self, command: String) {
        self.failed.push(command);
    }

    /// Adds a fault that this machine cannot cause. A repeated fault counts once.
    pub fn add_skipped(&mut self, fault: Fault, reason: &str) {
        self.skipped.insert(fault.to_string(), reason.to_owned());
    }

    /// Returns whether the run succeeded.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failed.is_empty() && (self.skipped.is_empty() || !self.require_all)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failed.is_empty() {
            f.write_str("Every guarantee held.")?;
        } else {
            write!(f, "Guarantees were violated. Repeat with:\n    {}", self.failed.join("\n    "))?;
        }
        if self.skipped.is_empty() {
            return Ok(());
        }
        let skipped: Vec<_> = self.skipped.iter().map(|(fault, reason)| format!("{fault} ({reason})")).collect();
        write!(f, "\n{} skipped: {}", skipped.len(), skipped.join(", "))?;
        if self.require_all {
            f.write_str("\nFailed: every fault is required (CI=true or --require-all).")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn succeeds_if_every_fault_was_injected_and_every_guarantee_held() {
        for require_all in [false, true] {
            let summary = Summary::new(require_all);
            assert!(summary.passed());
            assert_eq!(summary.to_string(), "Every guarantee held.");
        }
    }

    #[test]
    fn counts_and_names_skipped_faults() {
        let mut summary = Summary::new(false);
        summary.add_skipped(Fault::DiskFull, "only root can mount a small disk");
        for _ in 0..2 {
            summary.add_skipped(Fault::Clock(1), "libfaketime is not installed");
        }
        assert!(summary.passed());
        let expected = "Every guarantee held.\n\
            2 skipped: clock-ahead (libfaketime is not installed), disk-full (only root can mount a small disk)";
        assert_eq!(summary.to_string(), expected);
    }

    #[test]
    fn fails_on_a_skipped_fault_if_all_are_required() {
        let mut summary = Summary::new(true);
        summary.add_skipped(Fault::DiskFull, "only root can mount a small disk");
        assert!(!summary.passed());
        let text = summary.to_string();
        assert!(text.contains("1 skipped: disk-full (only root"), "{text}");
        assert!(text.ends_with("Failed: every fault is required (CI=true or --require-all)."), "{text}");
    }

    #[test]
    fn fails_on_a_violated_guarantee() {
        let mut summary = Summary::new(false);
        summary.add_failed("chaos --fault silence --seed 7".to_owned());
        assert!(!summary.passed());
        let expected = "Guarantees were violated. Repeat with:\n    chaos --fault silence --seed 7";
        assert_eq!(summary.to_string(), expected);
    }
}
