//! Logs and metrics.

mod logs;

use std::{sync::OnceLock, time::Duration};

use anyhow::anyhow;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

pub use self::logs::{flush_logs, init_logs};
use crate::tasks::Tasks;

/// Upper bounds of the buckets of a duration, in seconds.
const DURATION_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The interval at which the recorder aggregates the samples of histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A label of a metric, and its value.
pub type Label = (&'static str, &'static str);

/// Starts a counter at 0, with each of these sets of labels; `[[]]` for none. A counter that appears with its first event
/// has no increase that Prometheus could see.
pub fn start_at_zero<const N: usize>(name: &'static str, series: impl IntoIterator<Item = [Label; N]>) {
    for labels in series {
        counter!(name, &labels).increment(0);
    }
}

/// The series of a counter that has one label, with these values. For [`start_at_zero`].
pub fn by_label(label: &'static str, values: &[&'static str]) -> impl Iterator<Item = [Label; 1]> {
    values.iter().map(move |value| [(label, *value)])
}

const LINES_LOST: &str = "log_lines_lost_total";

/// The metrics of the process, in the format of Prometheus.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    /// CPU, memory, threads and open files.
    process: Collector,
}

impl Metrics {
    /// Installs the recorder of this process. Further calls return the same one.
    ///
    /// # Errors
    /// Another recorder is already installed.
    pub fn install() -> anyhow::Result<Self> {
        static INSTALLED: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
        let install = || {
            PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)
                .and_then(PrometheusBuilder::install_recorder)
                .map_err(|error| error.to_string())
        };
        let recorded = INSTALLED.get_or_init(install).clone().map_err(|error| anyhow!(error))?;
        let process = Collector::default();
        process.describe();
        describe_gauge!("build_info", "Version of the running process");
        gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        describe_counter!(LINES_LOST, "Log lines that were lost because standard output did not accept them");
        Ok(Self { recorded, process })
    }

    /// Starts a task that keeps the memory of the recorder bounded.
    pub fn keep_up(&self, tasks: &Tasks) {
        let handle = self.recorded.clone();
        tasks.spawn_until_stopped(async move {
            let mut tick = tokio::time::interval(UPKEEP_INTERVAL);
            loop {
                tick.tick().await;
                handle.run_upkeep();
            }
        });
    }

    /// Returns the metrics as Prometheus text. Collects the metrics of the process first.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        counter!(LINES_LOST).absolute(logs::lost_lines());
        self.recorded.render()
    }
}
