//! The patches of `make mutants` must not go stale: each applies to this tree, and its head says what has to be found.

#![expect(clippy::expect_used, reason = "a test fails by a panic")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use neonchat_chaos::fault::Fault;

/// The root of the repository.
fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("find the repository")
}

fn patches() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("testbed/mutants")).expect("read the directory of the patches");
    let patches: Vec<_> = files.map(|file| file.expect("read an entry").path()).collect();
    assert!(!patches.is_empty(), "there are no patches");
    patches
}

/// The value of a field in the head of a patch.
fn field<'a>(patch: &'a str, name: &str) -> &'a str {
    let mut head = patch.lines().take_while(|line| !line.starts_with("--- "));
    head.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_else(|| panic!("no {name}: {patch}"))
}

#[test]
fn each_patch_applies() {
    let root = root();
    for patch in patches() {
        let mut command = Command::new("git");
        command.args(["apply", "--check"]).arg(&patch).current_dir(&root);
        // If this tree is no repository but is inside one, git would look for the files there.
        command.env("GIT_CEILING_DIRECTORIES", root.parent().expect("find parent"));
        let output = command.output().expect("run git");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} does not apply: {error}", patch.display());
    }
}

#[test]
fn each_patch_names_its_breach_and_its_faults() {
    for patch in patches() {
        let patch = fs::read_to_string(patch).expect("read the patch");
        assert!(!field(&patch, "Breach").is_empty());
        for fault in field(&patch, "Faults").split(' ') {
            assert!(fault.parse::<Fault>().is_ok(), "there is no fault {fault}");
        }
    }
}
