//! Tests that the files for Compose, Kubernetes and Prometheus agree with the settings of the services and with each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use yaml_rust2::{Yaml, YamlLoader};

use crate::env_example::listed_for;

const SERVICES: [&str; 2] = ["chat-service", "notification-service"];

/// The documents of a file of this repository.
fn load(path: &str) -> Vec<Yaml> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect(path);
    YamlLoader::load_from_str(&text).expect(path)
}

fn compose() -> Yaml {
    load("docker-compose.yml").remove(0)
}

/// The environment of a service, with the mappings that are merged into it.
fn environment(service: &Yaml) -> BTreeMap<String, Yaml> {
    let mut variables = BTreeMap::new();
    let mut mappings = vec![&service["environment"]];
    while let Some(mapping) = mappings.pop() {
        for (name, value) in mapping.as_hash().expect("environment as mapping") {
            match name.as_str().expect("name as string") {
                "<<" => mappings.push(value),
                name => drop(variables.entry(name.to_owned()).or_insert_with(|| value.clone())),
            }
        }
    }
    variables
}

/// Whether a variable has the value of the same name in `.env`.
fn is_from_env(name: &str, value: &Yaml) -> bool {
    value.is_null() || value.as_str().is_some_and(|value| value.starts_with(&format!("${{{name}:-")))
}

/// The settings of `x-not-from-env`.
fn not_from_env(compose: &Yaml) -> BTreeSet<String> {
    let groups = compose["x-not-from-env"].as_vec().expect("list of groups");
    assert!(groups.iter().all(|group| group["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    let names = groups.iter().flat_map(|group| group["settings"].as_vec().expect("list of settings"));
    names.map(|name| name.as_str().expect("name as string").to_owned()).collect()
}

/// The environment variable of the operations port.
fn operations_setting(service: &str) -> &'static str {
    if service == "chat-service" { "CHAT_METRICS_PORT" } else { "NOTIFICATION_METRICS_PORT" }
}

#[test]
fn compose_reads_each_setting_from_env_or_says_why_not() {
    let compose = compose();
    let not_from_env = not_from_env(&compose);
    for service in SERVICES {
        let environment = environment(&compose["services"][service]);
        for name in listed_for(service).keys() {
            let is_passed = environment.get(name).is_some_and(|value| is_from_env(name, value));
            let is_listed = not_from_env.contains(name);
            assert!(is_passed || is_listed, "{service}: {name} is neither passed nor in x-not-from-env");
            assert!(!is_passed || !is_listed, "{service}: {name} is passed, and in x-not-from-env");
        }
    }
}

#[test]
fn compose_names_only_settings_that_exist() {
    let compose = compose();
    let all: BTreeSet<_> = SERVICES.into_iter().flat_map(|service| listed_for(service).into_keys()).collect();
    let unknown: Vec<_> = not_from_env(&compose).into_iter().filter(|name| !all.contains(name)).collect();
    assert!(unknown.is_empty(), "x-not-from-env has unknown settings {unknown:?}");
    for service in SERVICES {
        let settings = listed_for(service);
        let environment = environment(&compose["services"][service]);
        let unknown: Vec<_> = environment.keys().filter(|name| !settings.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{service} has no settings {unknown:?}");
    }
}

#[test]
fn compose_scrapes_the_operations_ports_and_publishes_only_nginx() {
    let compose = compose();
    let prometheus = load("deploy/prometheus/prometheus.yml").remove(0);
    for service in SERVICES {
        let environment = environment(&compose["services"][service]);
        let port = environment[operations_setting(service)].as_str().expect("port as string");
        let mut jobs = prometheus["scrape_configs"].as_vec().expect("jobs").iter();
        let job = jobs.find(|job| job["job_name"].as_str() == Some(service)).expect("find job of the service");
        assert_eq!(job["dns_sd_configs"][0]["port"].as_i64().map(|port| port.to_string()).as_deref(), Some(port));
        assert!(compose["services"][service]["ports"].is_badvalue(), "{service} publishes ports");
    }
}

/// The document of this kind and name.
fn object<'a>(documents: &'a [Yaml], kind: &str, name: &str) -> &'a Yaml {
    let mut documents = documents.iter();
    let is_it =
        |object: &&Yaml| object["kind"].as_str() == Some(kind) && object["metadata"]["name"].as_str() == Some(name);
    documents.find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

#[test]
fn kubernetes_probes_and_scrapes_the_operations_ports() {
    for service in SERVICES {
        let documents = load(&format!("deploy/k8s/base/run/{service}.yaml"));
        let template = &object(&documents, "Deployment", service)["spec"]["template"];
        let container = &template["spec"]["containers"][0];
        let mut ports = container["ports"].as_vec().expect("ports").iter();
        let operations = ports.find(|port| port["name"].as_str() == Some("operations")).expect("find operations port");
        let port = operations["containerPort"].as_i64().expect("port as integer").to_string();
        let mut variables = container["env"].as_vec().expect("variables").iter();
        let setting = variables.find(|variable| variable["name"].as_str() == Some(operations_setting(service)));
        assert_eq!(setting.and_then(|setting| setting["value"].as_str()), Some(&*port), "{service}");
        assert_eq!(template["metadata"]["annotations"]["prometheus.io/port"].as_str(), Some(&*port), "{service}");
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"].as_str(), Some("operations"), "{service}: {probe}");
        }
    }
}

#[test]
fn kubernetes_exposes_no_operations_port() {
    let files = ["open/services", "run/chat-service", "run/notification-service"];
    let documents = files.into_iter().flat_map(|file| load(&format!("deploy/k8s/base/{file}.yaml")));
    let services: Vec<_> = documents.filter(|object| object["kind"].as_str() == Some("Service")).collect();
    assert_eq!(services.len(), 4);
    for port in services.iter().flat_map(|service| service["spec"]["ports"].as_vec().expect("ports")) {
        assert!(["http", "grpc"].map(Some).contains(&port["targetPort"].as_str()), "{port:?}");
    }
    let policies = load("deploy/k8s/base/prepare/network-policies.yaml");
    for service in SERVICES {
        let rules = object(&policies, "NetworkPolicy", service)["spec"]["ingress"].as_vec().expect("rules");
        let operations: Vec<_> =
            rules.iter().filter(|rule| rule["ports"][0]["port"].as_str() == Some("operations")).collect();
        let [rule] = operations[..] else { panic!("{service}: one rule for the operations port") };
        assert_eq!(rule["from"][0]["namespaceSelector"]["matchLabels"]["neonchat"].as_str(), Some("monitoring"));
    }
}
