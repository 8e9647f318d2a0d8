//! Logs and metrics.

use std::{sync::OnceLock, time::Duration};

use anyhow::{Context as _, anyhow};
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{
    lifecycle::Tasks,
    settings::{CommonSettings, LogFormat},
};

/// Upper bounds of the buckets of a duration, in seconds.
const DURATION_BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How often the recorder takes in what the histograms gathered.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Starts the logs, to standard output, for the whole process.
///
/// # Errors
/// `LOG_LEVEL` is none, or logs were started before.
pub fn init_logs(settings: &CommonSettings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_level)
        .context("LOG_LEVEL should be error, warn, info, debug, trace, or directives such as info,fred=debug")?;
    let registry = tracing_subscriber::registry().with(filter);
    match settings.log_format {
        LogFormat::Text => registry.with(fmt::layer()).try_init(),
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true)).try_init(),
    }
    .context("the logs were started before")?;
    settings.log_warnings();
    Ok(())
}

/// The process's metrics, as Prometheus reads them.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    /// CPU, memory, threads and open files.
    process: Collector,
}

impl Metrics {
    /// The recorder of this process; installed by the first call, and the same for every further one.
    ///
    /// # Errors
    /// Another recorder is installed.
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
        describe_gauge!("build_info", "What runs, by its version");
        gauge!("build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
        Ok(Self { recorded, process })
    }

    /// Keeps the recorder's memory bounded until the process ends.
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

    /// The metrics as Prometheus text. Those of the process are read off now.
    #[must_use]
    pub fn render(&self) -> String {
        self.process.collect();
        self.recorded.render()
    }
}
