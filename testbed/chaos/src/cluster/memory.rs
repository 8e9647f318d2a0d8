//! Measures the memory of the services.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;

/// The sampling interval.
const INTERVAL: Duration = Duration::from_millis(200);

/// The observed processes by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Pids(Arc<Mutex<HashMap<String, u32>>>);

impl Pids {
    /// Sets the process ID of a name, or removes it.
    pub(super) fn set(&self, name: &str, pid: Option<u32>) {
        let mut pids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match pid {
            Some(pid) => pids.insert(name.to_owned(), pid),
            None => pids.remove(name),
        };
    }

    fn largest(&self) -> u64 {
        let pids: Vec<u32> = self.0.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
        pids.into_iter().filter_map(resident).max().unwrap_or(0)
    }
}

/// Returns the resident memory of a process in KiB.
fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Samples memory until it is dropped.
#[derive(Debug)]
pub struct Memory {
    peak: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Memory {
    pub(super) fn watch(pids: Pids) -> Self {
        let peak = Arc::new(AtomicU64::new(0));
        let mut task = JoinSet::new();
        let largest = Arc::clone(&peak);
        task.spawn(async move {
            loop {
                largest.fetch_max(pids.largest(), Ordering::Relaxed);
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { peak, _task: task }
    }

    /// Returns the peak memory of a process, in KiB.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_this_process() {
        assert!(resident(std::process::id()).is_some_and(|kib| kib > 100));
        let pids = Pids::default();
        assert_eq!(pids.largest(), 0);
        pids.set("this", Some(std::process::id()));
        assert!(pids.largest() > 100);
    }
}
