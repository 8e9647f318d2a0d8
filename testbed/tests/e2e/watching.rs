//! Alerts and dashboards use existing metrics and labels, and every alert has a section in the runbook and tests.
//!
//! `make alerts-check` tests that alerts fire only when they should.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use neonchat_testbed::client::Socket;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::helpers::{Running, metric};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The process metrics of the crate metrics-process, which the Prometheus client libraries also export
/// (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
const METRICS_OF_PROCESS: [&str; 6] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

/// The metrics that Prometheus itself creates for targets and alerts.
const METRICS_OF_PROMETHEUS: [&str; 4] = ["ALERTS", "scrape_duration_seconds", "scrape_samples_scraped", "up"];

/// The metrics of the exporters for Postgres and Redis.
const METRICS_OF_EXPORTERS: [&str; 2] = ["pg_up", "redis_up"];

const LABELS_OF_PROMETHEUS: [&str; 4] = ["alertstate", "instance", "job", "le"];

#[test]
fn alerts_and_panels_use_existing_metrics_and_labels() {
    let code: String = ["common", "chat-service", "notification-service"]
        .iter()
        .map(|name| sources(&path(name).join("src")))
        .collect();
    let rules = rules();
    let recorded: Vec<_> = rules.iter().filter(|rule| !rule.is_alert).map(|rule| rule.name.as_str()).collect();
    let mut expressions: Vec<_> = rules.iter().map(|rule| (rule.name.clone(), rule.expression.clone())).collect();
    for dashboard in ["application", "database", "sockets", "resources"] {
        let text = read(&format!("deploy/grafana/dashboards/{dashboard}.json"));
        let content: Value = serde_json::from_str(&text).expect("parse JSON");
        let before = expressions.len();
        for panel in content["panels"].as_array().expect("array of panels") {
            for target in panel["targets"].as_array().expect("array of targets") {
                let title = panel["title"].as_str().expect("title as string");
                let expression = target["expr"].as_str().expect("expression as string");
                expressions.push((format!("{dashboard}: {title}"), expression.to_owned()));
            }
        }
        assert!(expressions.len() > before, "{dashboard} shows nothing");
    }
    for (place, expression) in &expressions {
        let Names { metrics, labels } = names(expression);
        assert!(!metrics.is_empty(), "{place} uses no metric: {expression}");
        for metric in metrics {
            let is_known = METRICS_OF_PROMETHEUS.contains(&metric.as_str())
                || METRICS_OF_PROCESS.contains(&metric.as_str())
                || METRICS_OF_EXPORTERS.contains(&metric.as_str())
                || recorded.contains(&metric.as_str())
                || is_recorded(&code, &metric);
            assert!(is_known, "{place}: {metric} does not exist");
        }
        for label in labels {
            let is_known = LABELS_OF_PROMETHEUS.contains(&label.as_str()) || code.contains(&format!("\"{label}\" =>"));
            assert!(is_known, "{place}: no metric has a label {label}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_exports_process_and_state_metrics() {
    let Running { mut system, folder: _folder, .. } = Running::start(&[("WS_MAX_CONNECTIONS", "123")]).await;
    let (chat, notification) = (system.api(), system.notification());
    for service in [&chat, &notification] {
        for name in METRICS_OF_PROCESS {
            let line = service.metric(&format!("{name} ")).await.expect("find metric");
            let value: f64 = line.split(' ').next_back().and_then(|value| value.parse().ok()).expect("parse number");
            // The CPU time is 0 in the first second.
            assert!(value > 0.0 || name == "process_cpu_seconds_total", "{line}");
        }
        let build = format!("build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        assert_eq!(service.metric("build_info").await.expect("find metric"), build);
        assert_eq!(service.metric("service_ready").await.expect("find metric"), "service_ready 1");
    }
    let limit = notification.metric("websocket_connections_max").await.expect("find metric");
    assert_eq!(limit, "websocket_connections_max 123");

    system.kill_chat_service().await.expect("kill process");
    assert_eq!(notification.metric("service_ready").await.expect("find metric"), "service_ready 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_counter_exists_before_its_first_event() {
    // Counters of the replica and of the trace exporter, which are not configured here.
    const NOT_CONFIGURED: [&str; 2] = ["db_reader_reads_total", "trace_spans_total"];
    let running = Running::start(&[]).await;
    let services = [("chat-service", running.system.api()), ("notification-service", running.system.notification())];
    for (service, api) in services {
        let code = sources(&path(service).join("src"));
        let is_name = |text: &&str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let names: BTreeSet<_> = code.split('"').filter(|text| text.ends_with("_total")).filter(is_name).collect();
        assert!(names.len() > 2, "{service}: {names:?}");
        let common = ["grpc_client_retries_total", "log_lines_lost_total", "security_events_total"];
        for name in names.into_iter().chain(common).filter(|name| !NOT_CONFIGURED.contains(name)) {
            api.metric(name).await.unwrap_or_else(|error| panic!("{service}: {error}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_sends_refused_before_the_call_to_chat_service() {
    let running = Running::start(&[]).await;
    let (system, api) = (&running.system, running.system.api());
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    let chat = api.chat(&alice, &bob).await.expect("create chat");
    let mut socket = Socket::open(&system.websocket(), &alice, None).await.expect("open socket");
    socket.send_message(&chat, "stored").await.expect("receive ack");
    socket.send(&json!({ "type": "message", "chat_id": Uuid::now_v7(), "text": "refused" })).await.expect("send");
    socket.expect_beside_presence("error").await.expect("receive error");

    let chat_service = system.chat_id().expect("get process ID").to_string();
    let signal = |name| Command::new("kill").args([name, chat_service.as_str()]).status().expect("send signal");
    assert!(signal("-STOP").success());
    // The second send waits for the call of the first, so both exceed their deadline.
    for text in ["fails", "is too late"] {
        socket.send(&json!({ "type": "message", "chat_id": chat, "text": text })).await.expect("send");
        socket.send(&json!({ "type": "ping" })).await.expect("send");
        socket.expect_beside_presence("pong").await.expect("receive pong");
    }
    for _ in 0..2 {
        assert_eq!(socket.expect_beside_presence("error").await.expect("receive error")["code"], "unavailable");
    }
    assert!(signal("-CONT").success());
    for (outcome, count) in [("stored", 1.0), ("refused", 1.0), ("unavailable", 2.0)] {
        let counted = metric(system, &format!("sends_total{{outcome=\"{outcome}\"")).await;
        assert!((counted - count).abs() < 0.5, "{outcome}: {counted}");
    }
}

#[test]
fn every_alert_has_runbook_section_and_tests() {
    let run_book = read("docs/operations/runbook.md");
    let tests = read("deploy/prometheus/alerts.test.yml");
    let recoveries = read("deploy/prometheus/alerts.recovery.test.yml");
    let rules = rules();
    let alerts: Vec<_> = rules.iter().filter(|rule| rule.is_alert).collect();
    assert!(!alerts.is_empty());
    for Rule { name, text, .. } in alerts {
        for line in ["severity: ", "summary: ", "description: "] {
            assert!(text.contains(line), "{name} has no {line}");
        }
        let link = format!("runbook_url: docs/operations/runbook.md#{}", name.to_lowercase());
        assert!(text.lines().any(|line| line.trim() == link), "{name} should have {link}");
        let heading = format!("## {name}");
        assert!(run_book.lines().any(|line| line == heading), "docs/operations/runbook.md should have {heading}");
        let is_tested = [format!("alertname: {name}\n"), format!("alertname=\"{name}\"")];
        assert!(is_tested.iter().any(|words| tests.contains(words.as_str())), "{name} has no test");
        let ends = format!("alertname=\"{name}\", alertstate=\"firing\"}}[");
        assert!(recoveries.contains(&ends), "{name} has no test for its recovery");
    }
}

#[test]
fn finds_names_in_an_expression() {
    let Names { metrics, labels } = names(
        r#"histogram_quantile(0.95, sum by (le, job) (rate(a_seconds_bucket{route=~"/a/.*", status!="5.."}[$__interval])))
           > bool 14.4 * 0.005 and rest:errors:rate5m or absent(up{job="x"})"#,
    );
    assert_eq!(metrics.iter().collect::<Vec<_>>(), ["a_seconds_bucket", "rest:errors:rate5m", "up"]);
    assert_eq!(labels.iter().collect::<Vec<_>>(), ["job", "le", "route", "status"]);
}

/// Returns whether the code records the metric. Only durations are histograms. A histogram has three metrics in Prometheus.
fn is_recorded(code: &str, metric: &str) -> bool {
    let part = ["_bucket", "_count", "_sum"].into_iter().find_map(|suffix| metric.strip_suffix(suffix));
    let name = part.unwrap_or(metric);
    // In the macro that records it, or in a constant.
    let is_named = code.contains(&format!("!(\"{name}\"")) || code.contains(&format!(": &str = \"{name}\";"));
    is_named && part.is_some() == name.ends_with("_seconds")
}

/// The names in a `PromQL` expression.
#[derive(Default)]
struct Names {
    metrics: BTreeSet<String>,
    labels: BTreeSet<String>,
}

/// Returns the names in an expression. Supports only the syntax that the alerts and dashboards use.
fn names(expression: &str) -> Names {
    #[derive(Clone, Copy)]
    enum Within {
        Expression,
        Labels,
        Range,
    }
    // Every second part is a string.
    let without_strings: String = expression.split('"').step_by(2).collect();
    let mut spaced = String::new();
    for character in without_strings.chars() {
        if character.is_alphanumeric() || "_:.$".contains(character) {
            spaced.push(character);
        } else {
            spaced.extend([' ', character, ' ']);
        }
    }
    let tokens: Vec<_> = spaced.split_whitespace().collect();
    let mut names = Names::default();
    let mut within = Within::Expression;
    for (place, token) in tokens.iter().copied().enumerate() {
        let is_name = token.starts_with(|first: char| first.is_alphabetic() || first == '_');
        // `rate(…)`, `sum by (…) (…)`
        let is_called = tokens.get(place + 1).is_some_and(|next| ["(", "by", "without"].contains(next));
        let is_operator = ["and", "or", "unless", "bool"].contains(&token);
        match (within, token) {
            (Within::Expression, "{" | "by" | "without" | "on" | "ignoring" | "group_left") => within = Within::Labels,
            (Within::Expression, "[") => within = Within::Range,
            (Within::Labels, "}" | ")") | (Within::Range, "]") => within = Within::Expression,
            (Within::Expression, _) if is_name && !is_called && !is_operator => {
                names.metrics.insert(token.to_owned());
            }
            (Within::Labels, _) if is_name => {
                names.labels.insert(token.to_owned());
            }
            _ => {}
        }
    }
    names
}

/// A rule of `alerts.yml`.
struct Rule {
    name: String,
    is_alert: bool,
    expression: String,
    /// The whole rule.
    text: String,
}

/// Returns the rules of `alerts.yml`. Relies on the indentation of that file.
fn rules() -> Vec<Rule> {
    let text = read("deploy/prometheus/alerts.yml");
    let text: String =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let rules: Vec<_> = text.split("\n      - ").skip(1).map(rule).collect();
    let count = |kind: &str| text.matches(kind).count();
    assert_eq!(rules.len(), count(" alert: ") + count(" record: "), "unexpected indentation of a rule");
    rules
}

fn rule(text: &str) -> Rule {
    let (kind, name) =
        text.lines().next().and_then(|line| line.split_once(": ")).expect("find `alert: …` or `record: …`");
    let mut lines = text.lines().skip_while(|line| !line.starts_with("        expr:"));
    let first = lines.next().expect("expression as string").trim_start().trim_start_matches("expr:");
    let rest = lines.take_while(|line| line.starts_with("          "));
    let expression = [first.trim_end_matches(" |")].into_iter().chain(rest).collect::<Vec<_>>().join(" ");
    Rule { name: name.to_owned(), is_alert: kind == "alert", expression, text: text.to_owned() }
}

/// Returns the Rust source files of a folder as one text.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("read directory") {
        let path = entry.expect("read entry").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).expect("read source");
        }
    }
    text
}

fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
