//! Short loads of `make bench`, which must not lose a message. Speed is not tested.
//!
//! A separate test program, because it uses the whole machine. Other tests must not run at the same time.

use std::{collections::BTreeSet, process::Stdio};

use serde_json::Value;
use tokio::process::Command;

/// The scenarios with sockets that differ in what they do, not in how much. The others take long to prepare.
const SCENARIOS: [&str; 4] = ["hot-chat", "groups", "crowd", "markers"];

// One test, because the scenarios must not run at the same time either.
#[tokio::test]
async fn measures_short_loads_without_loss() {
    let folder = tempfile::tempdir().expect("create a directory");
    let figures = folder.path().join("figures.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(SCENARIOS.iter().flat_map(|scenario| ["--only", scenario]));
    command.args(["--seconds", "1", "--size", "3", "--json"]).arg(&figures);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("run bench");
    let output = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // On a busy machine a debug build misses the targets and may refuse messages, which is not a loss.
    let mut failures = output.lines().filter(|line| line.starts_with("FAILED"));
    let is_lossless = failures.all(|failure| failure.contains("lost: 0, stray: 0, unexpected: 0"));
    assert!(is_lossless, "{output}");
    let figures = std::fs::read(&figures).unwrap_or_else(|error| panic!("{error}: {output}"));
    let figures: Vec<Value> = serde_json::from_slice(&figures).expect("parse the figures");
    let measured: BTreeSet<_> = figures.iter().filter_map(|figure| figure["scenario"].as_str()).collect();
    assert_eq!(measured, BTreeSet::from(SCENARIOS), "{output}");
    let rate = figures.iter().find(|figure| figure["figure"] == "stored and delivered").expect("find the rate");
    assert!(rate["value"].as_f64().is_some_and(|rate| rate > 0.0), "{output}");
}
