//! The load generator of `make bench`: a short load, of which no message may be lost. How fast it is is for `make bench`.

use std::process::Stdio;

use neonchat_testbed::system::binary;
use serde_json::Value;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_short_load_stores_acks_and_delivers_every_message_and_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let figures = folder.path().join("figures.json");
    let mut command = Command::new(binary("testbed").expect("a binary"));
    command.args(["bench", "--only", "hot-chat", "--only", "fan-out", "--seconds", "1", "--json"]).arg(&figures);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("a process");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // It ends with an error also where a target is missed, which a debug build beside other tests may do.
    assert!(!said.contains("FAILED"), "{said}");
    let figures = std::fs::read(&figures).unwrap_or_else(|error| panic!("{error}: {said}"));
    let figures: Vec<Value> = serde_json::from_slice(&figures).expect("JSON");
    for scenario in ["hot-chat", "fan-out"] {
        let of_scenario = figures.iter().filter(|figure| figure["scenario"] == scenario);
        let measured = of_scenario.filter(|figure| figure["value"].as_f64().is_some_and(|value| value > 0.0)).count();
        assert!(measured > 5, "{scenario}: {said}");
    }
}
