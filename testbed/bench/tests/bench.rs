//! The load generator of `make bench`: a short load, of which no message may be lost. How fast it is is for `make bench`.
//!
//! A program of its own, since it takes all of the machine: other tests are not to run beside it.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

#[tokio::test]
async fn a_short_load_loses_no_message_and_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let figures = folder.path().join("figures.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(["--only", "hot-chat", "--seconds", "1", "--json"]).arg(&figures);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("a process");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // On a busy machine a debug build misses the targets, and may refuse messages: that is no loss.
    let is_lossless = !said.contains("FAILED") || said.contains("lost: 0, stray: 0, unexpected: 0");
    assert!(is_lossless, "{said}");
    let figures = std::fs::read(&figures).unwrap_or_else(|error| panic!("{error}: {said}"));
    let figures: Vec<Value> = serde_json::from_slice(&figures).expect("JSON");
    let rate = figures.iter().find(|figure| figure["figure"] == "stored and delivered").expect("a rate");
    assert!(rate["value"].as_f64().is_some_and(|rate| rate > 0.0), "{said}");
}
