//! The settings of traces, with the names of OpenTelemetry.

use opentelemetry_sdk::trace::Sampler;
use url::Url;

use super::SettingsSource;

/// The export of traces.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the URL of the collector, for OTLP over gRPC. Without it there are no traces.
    pub endpoint: Option<String>,
    /// `OTEL_SERVICE_NAME`: the name of the service in traces, if it differs from the default.
    pub service_name: Option<String>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`: selects the traces to export.
    pub sampler: Sampler,
}

impl TraceSettings {
    pub(super) fn read(source: &mut SettingsSource) -> Self {
        Self {
            endpoint: endpoint(source),
            service_name: source.optional("OTEL_SERVICE_NAME").map(str::to_owned),
            sampler: sampler(source),
        }
    }
}

fn endpoint(source: &mut SettingsSource) -> Option<String> {
    const NAME: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let endpoint = source.optional(NAME)?.to_owned();
    let is_usable =
        |url: &Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let is_url = Url::parse(&endpoint).is_ok_and(|url| is_usable(&url));
    if !is_url {
        source.problem(NAME, "a URL such as http://collector:4317, without user and password");
    }
    is_url.then_some(endpoint)
}

fn sampler(source: &mut SettingsSource) -> Sampler {
    type Make = fn(f64) -> Sampler;
    let make = source.choice::<Make>(
        "OTEL_TRACES_SAMPLER",
        ("parentbased_always_on", |_| parent_based(Sampler::AlwaysOn)),
        &[
            ("parentbased_always_off", |_| parent_based(Sampler::AlwaysOff)),
            ("parentbased_traceidratio", |ratio| parent_based(Sampler::TraceIdRatioBased(ratio))),
            ("always_on", |_| Sampler::AlwaysOn),
            ("always_off", |_| Sampler::AlwaysOff),
            ("traceidratio", Sampler::TraceIdRatioBased),
        ],
    );
    make(ratio(source))
}

fn parent_based(sampler: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(sampler))
}

fn ratio(source: &mut SettingsSource) -> f64 {
    const NAME: &str = "OTEL_TRACES_SAMPLER_ARG";
    let ratio = source.text(NAME, "1").parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.unwrap_or_else(|| {
        source.problem(NAME, "a number from 0 to 1");
        1.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_only_with_collector() {
        let read =
            |values: &[(&str, &str)]| TraceSettings::read(&mut SettingsSource::from_values(values.iter().copied()));
        assert_eq!(read(&[]).endpoint, None);
        let set = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        assert_eq!(set.endpoint.as_deref(), Some("http://collector:4317"));
        let Sampler::ParentBased(root) = set.sampler else { panic!("another sampler") };
        assert_eq!(format!("{root:?}"), "TraceIdRatioBased(0.25)");
    }

    #[test]
    fn names_each_invalid_setting() {
        let mut source = SettingsSource::from_values([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_TRACES_SAMPLER", "sometimes"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ]);
        TraceSettings::read(&mut source);
        let error = source.finish().expect_err("reject settings").to_string();
        for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER ", "OTEL_TRACES_SAMPLER_ARG"] {
            assert!(error.contains(name), "{name}: {error}");
        }
    }

    #[test]
    fn rejects_endpoint_with_password() {
        let mut source =
            SettingsSource::from_values([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter22@collector:4317")]);
        TraceSettings::read(&mut source);
        let error = source.finish().expect_err("reject setting").to_string();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT") && !error.contains("hunter22"), "{error}");
    }
}
