//! Spans on their way to the collector: over OTLP, in batches, from a queue that drops what it has no room for.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context as _;
use metrics::{counter, describe_counter};
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};

use super::TRACER;
use crate::{
    settings::TraceSettings,
    telemetry::{Metrics, by_label, start_at_zero},
};

/// The longest that the collector may take for a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that the last spans may take when the process ends. Then they are lost.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

const SPANS: &str = "trace_spans_total";

/// The export of a process's traces. See [`Traces::finish`].
#[must_use]
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins it, for a service of this name and version, where a collector is set. Called on the process's main runtime.
    ///
    /// # Errors
    /// The collector's address cannot be used.
    pub fn start(settings: &TraceSettings, service: &'static str, version: &'static str) -> anyhow::Result<Self> {
        let Some(endpoint) = &settings.endpoint else { return Ok(Self(None)) };
        // Or there would be nothing yet to count them.
        Metrics::install()?;
        describe_counter!(SPANS, "Spans of traces, by whether the collector took them");
        start_at_zero(SPANS, by_label("outcome", &["exported", "lost"]));
        let exporter = OtlpExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        let name = settings.service_name.clone().unwrap_or_else(|| service.to_owned());
        let instance = uuid::Uuid::new_v4().to_string();
        let resource = Resource::builder()
            .with_service_name(name)
            .with_attributes([
                KeyValue::new("service.namespace", "neonchat"),
                KeyValue::new("service.version", version),
                KeyValue::new("service.instance.id", instance),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Watched { inner: exporter, is_failing: AtomicBool::new(false) })
            .with_sampler(settings.sampler.clone())
            .with_resource(resource)
            .build();
        anyhow::ensure!(TRACER.set(provider.tracer("neonchat")).is_ok(), "traces were started before");
        Ok(Self(Some(provider)))
    }

    /// Sends what is left, for a short while, when the process ends.
    pub async fn finish(self) {
        let Some(provider) = self.0 else { return };
        let flush = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_LIMIT));
        if !matches!(flush.await, Ok(Ok(()))) {
            tracing::warn!("the last spans of traces were not exported");
        }
    }
}

/// Tells when the collector goes away and when it is back, once each: the SDK would for each batch, or never.
#[derive(Debug)]
struct Watched<E> {
    inner: E,
    is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.inner.export(batch).await;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        let outcome = match &result {
            Ok(()) => "exported",
            Err(_) => "lost",
        };
        counter!(SPANS, "outcome" => outcome).increment(spans);
        match &result {
            Ok(()) if was_failing => tracing::info!("the collector takes traces again"),
            Err(error) if !was_failing => {
                tracing::warn!(error.cause = %error, "the collector does not take traces: they are lost");
            }
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
