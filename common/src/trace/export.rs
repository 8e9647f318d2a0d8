//! Export of spans to the collector: over OTLP, in batches, from a bounded queue that drops spans when it is full.

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

/// The timeout of the export of a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The timeout of the export of the last spans when the process stops. After it they are lost.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

const SPANS: &str = "trace_spans_total";

/// The export of the spans of a process. Call [`Traces::finish`] before the process exits.
#[must_use]
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Starts the export for a service of this name and version, if a collector is set. Has to be called on the main runtime.
    ///
    /// # Errors
    /// The address of the collector is invalid.
    pub fn start(settings: &TraceSettings, service: &'static str, version: &'static str) -> anyhow::Result<Self> {
        let Some(endpoint) = &settings.endpoint else { return Ok(Self(None)) };
        // The counters below need the recorder.
        Metrics::install()?;
        describe_counter!(SPANS, "Spans of traces, by whether the collector accepted them");
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
            .with_batch_exporter(LoggingExporter { inner: exporter, is_failing: AtomicBool::new(false) })
            .with_sampler(settings.sampler.clone())
            .with_resource(resource)
            .build();
        anyhow::ensure!(TRACER.set(provider.tracer("neonchat")).is_ok(), "the export of traces is already started");
        Ok(Self(Some(provider)))
    }

    /// Exports the remaining spans, for at most 2 s.
    pub async fn finish(self) {
        let Some(provider) = self.0 else { return };
        let flush = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        if !matches!(flush.await, Ok(Ok(()))) {
            tracing::warn!("last trace spans not exported");
        }
    }
}

/// Logs when the export starts to fail and when it recovers, once each. The SDK would log each batch, or nothing.
#[derive(Debug)]
struct LoggingExporter<E> {
    inner: E,
    is_failing: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for LoggingExporter<E> {
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
            Ok(()) if was_failing => tracing::info!("trace collector available again"),
            Err(error) if !was_failing => {
                tracing::warn!(error.cause = %error, "trace export failed, spans are lost");
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
