//! The shared cases of `sdk/cases`, whose README describes them.

mod expect;
mod given;
mod inputs;
mod matching;
mod network;
mod runner;

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use self::runner::run;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cases")
}

fn read(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(name)).expect(name);
    serde_json::from_str(&text).expect(name)
}

/// Runs all cases of a file, and reports every one that fails.
fn check(name: &str) {
    let file = read(name);
    let cases = file["cases"].as_array().expect("list of cases");
    assert!(cases.len() > 1, "{name} has cases");
    let failures = cases.iter().filter_map(|case| {
        run(case).err().map(|error| format!("{}\n    {error}", case["name"].as_str().expect("name of the case")))
    });
    let failures: Vec<String> = failures.collect();
    assert!(failures.is_empty(), "{} of {} cases fail:\n  {}", failures.len(), cases.len(), failures.join("\n  "));
}

macro_rules! files {
    ($($name:ident: $file:literal)*) => {
        const FILES: &[&str] = &[$($file),*];
        $(#[test]
        fn $name() {
            check($file);
        })*
    };
}

files! {
    connection: "1-connection.json"
    liveness: "2-liveness.json"
    refresh: "3-refresh.json"
    cursors: "4-cursors.json"
    gaps: "5-gaps.json"
    outbox: "6-outbox.json"
    store: "8-store.json"
    unknown_frames: "9-unknown.json"
}

#[test]
fn runs_all_files_but_those_for_tabs() {
    let names = fs::read_dir(folder()).expect("sdk/cases").map(|entry| entry.expect("entry").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    let files = names.filter(|name| name.strip_suffix(".json").is_some_and(|name| name != "schema"));
    let without_tabs: BTreeSet<_> = files.filter(|name| read(name)["requires"] != "tabs").collect();
    assert_eq!(without_tabs, FILES.iter().map(|&name| name.to_owned()).collect());
}
